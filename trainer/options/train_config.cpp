#include "trainer/options/train_config.h"

#include "common/command_line.h"
#include "common/error.h"

namespace sdlora::trainer {
namespace {

void declare_options(OptionSet& options, TrainConfig& config) {
  config.places.declare(options.group("Places"));
  config.batch.declare(options.group("Batch"));
  config.captions.declare(options.group("Captions"));
  config.loss.declare(options.group("Loss"));
  config.noise.declare(options.group("Noise"));
  config.timesteps.declare(options.group("Noise"));
  declare_adapter(options.group("Adapter"), config.lora, config.optimizer.max_weight_norm,
                  config.init_adapter);
  config.optimizer.declare(options.group("Optimiser"));
  config.schedule.declare(options.group("Schedule"));
  config.compute.declare(options.group("Computing"));
  config.checkpoints.declare(options.group("Checkpoints"));
  config.shared_file.declare(options.group("File for other programs"));
  config.validation.declare(options.group("Validation"));
  config.previews.declare(options.group("Previews"));
  config.watching.declare(options.group("Watching"));
  config.process.declare(options.group("Process"));
}

}  // namespace

ParseResult parse_train_config(int argc, const char* const* argv, TrainConfig& config) {
  CLI::App app(
      "Trains a LoRA adapter for Stable Diffusion 1.5.\n"
      "  mpirun -np 2 build/bin/trainer --model sd15 --data cache --output runs/ink\n",
      "trainer");
  OptionSet options(app);
  declare_options(options, config);
  if (parse_command_line(app, argc, argv) == ParseResult::kLeave) return ParseResult::kLeave;
  config.captions.check();
  config.loss.check();
  config.timesteps.check();
  config.schedule.check();
  config.optimizer.settle();
  config.validation.check();
  config.previews.check();
  config.compute.check();
  if (config.previews.of_average && config.optimizer.ema_decay == 0)
    throw Error(ExitCode::kUsage, {.what = "there is no moving average to preview",
                                   .expected = "--ema-decay with --preview-average",
                                   .seen = "none",
                                   .advice = "give --ema-decay 0.99, or leave --preview-average out"});
  if (config.lora.kind == lora::LoraKind::kDora && config.optimizer.max_weight_norm > 0)
    throw Error(ExitCode::kUsage, {.what = "a bound on A and B does not bound what DoRA makes of them",
                                   .expected = "--max-weight-norm or --lora-kind dora",
                                   .seen = "both",
                                   .advice = "leave one out"});
  if (config.lora.dropout.any() && config.compute.records_cuda_graph)
    throw Error(ExitCode::kUsage,
                {.what = "a CUDA graph repeats one micro-batch, dropout draws for each anew",
                 .expected = "--cuda-graph or dropouts",
                 .seen = "both",
                 .advice = "leave --cuda-graph out"});
  config.settings = options.settings();
  return ParseResult::kRun;
}

std::string to_toml(const TrainConfig& config) {
  return config.settings.to_toml("The resolved configuration of this run; `trainer --config` reads it.");
}

std::map<std::string, std::string> defining_settings(const TrainConfig& config) {
  return config.settings.texts({Scope::kResult});
}

std::map<std::string, std::string> settings_of_all_ranks(const TrainConfig& config) {
  std::map<std::string, std::string> shared = config.settings.texts({Scope::kResult, Scope::kRun});
  for (const Setting& setting : config.settings.all())
    if (setting.may_be_auto) shared.erase(setting.name);
  return shared;
}

}  // namespace sdlora::trainer
