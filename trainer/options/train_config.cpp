#include "trainer/options/train_config.h"

#include <set>

#include <fmt/format.h>

#include "common/error.h"

namespace sdlora::trainer {
namespace {

// Declares all options of the program: the one list that --help, --config, the flags and config.toml share.
void declare_options(CLI::App& app, TrainConfig& config) {
  const auto auto_is_zero =
      CLI::Transformer(std::map<std::string, std::string>{{"auto", "0"}}).description("");
  const auto positive = CLI::Range(int64_t{1}, int64_t{1} << 40).description("positive");
  const auto not_negative = CLI::NonNegativeNumber;
  app.option_defaults()->always_capture_default();

  const std::vector<CLI::Option*> needed_to_train{
      app.add_option("--model", config.model, "Stable Diffusion 1.5 in diffusers layout")->required(),
      app.add_option("--data", config.data, "directory written by cache_latents")->required(),
      app.add_option("--output", config.output, "run directory")->required()};
  app.add_option("--device", config.device, "where to compute")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}));
  app.add_option("--img-size", config.image_size, "pixels; 0: what the data has, else refused if it differs")
      ->check(not_negative);
  app.add_option("--batch-size", config.batch_size, "samples per optimiser step over all ranks")
      ->check(positive);
  app.add_option("--micro-batch-size", config.micro_batch_size,
                 "samples per forward; auto: batch-size / ranks, or what the resumed checkpoint used")
      ->transform(auto_is_zero)
      ->check(not_negative)
      ->default_str("auto");
  app.add_option("--max-steps", config.max_steps, "optimiser steps")->check(positive);
  app.add_option("--seed", config.seed, "of every random draw");

  app.add_option("--learning-rate", config.learning_rate, "peak")->check(not_negative);
  app.add_option("--lr-schedule", config.learning_rate_schedule, "after the warm-up")
      ->check(CLI::IsMember({"cosine", "constant", "linear"}));
  app.add_option("--warmup-steps", config.warmup_steps, "steps of linear warm-up")->check(not_negative);
  app.add_option("--max-grad-norm", config.max_gradient_norm, "clip the gradient's norm to this; 0: never")
      ->check(not_negative);
  app.add_option("--weight-decay", config.weight_decay, "of AdamW")->check(not_negative);
  app.add_option("--adam-beta1", config.adam_beta1, "decay of the first moment")
      ->check(CLI::Range(0.0, 0.999999));
  app.add_option("--adam-beta2", config.adam_beta2, "decay of the second moment")
      ->check(CLI::Range(0.0, 1.0));
  app.add_option("--adam-eps", config.adam_eps, "added to AdamW's denominator")->check(not_negative);
  app.add_option(
         "--noise-offset", config.noise_offset,
         "std of a constant added to each channel of the noise, so that the mean is learnt too; 0: none")
      ->check(not_negative);

  app.add_option("--lora-rank", config.lora.rank, "rank of each adapter")->check(positive);
  app.add_option("--lora-alpha", config.lora.alpha, "scale = alpha / rank");
  app.add_option("--lora-targets", config.lora.targets,
                 "attn (128 modules), attn-mlp (192), or a regular expression on module paths");

  app.add_option("--mixed-precision", config.mixed_precision, "type of the frozen model's arithmetic")
      ->check(CLI::IsMember({"no", "fp16", "bf16"}));
  app.add_option("--reduction", config.reduction, "exact: the same bytes on any number of ranks; fp32: plain")
      ->check(CLI::IsMember({"exact", "fp32"}));
  app.add_option("--comm", config.comm, "what carries the gradients")
      ->check(CLI::IsMember({"auto", "mpi", "nccl"}));
  app.add_flag("--deterministic", config.is_deterministic,
               "on a GPU: only kernels that give the same bytes every time, which are slower");
  app.add_flag("--cuda-graph", config.records_cuda_graph,
               "on a GPU: record a micro-batch's work once and replay it, which spares the host; for small "
               "micro-batches");
  app.add_flag("--allow-gpu-sharing", config.allow_gpu_sharing,
               "for tests: let several ranks take turns on one GPU");
  app.add_option(
         "--cpu-threads", config.cpu_threads,
         "intra-op threads of each rank; auto: cores / local ranks, or what the resumed checkpoint used")
      ->transform(auto_is_zero)
      ->check(not_negative)
      ->default_str("auto");

  app.add_option("--cpu-kernels", config.cpu_kernels,
                 "what computes the frozen layers on the CPU; auto: the fastest measured on this kind of CPU")
      ->check(CLI::IsMember({"auto", "onednn", "aten"}));

  app.add_option("--checkpoint-every", config.checkpoint_every, "steps; 0: only at the end")
      ->check(not_negative);
  app.add_option("--keep-checkpoints", config.keep_checkpoints,
                 "the newest, older ones are removed after a save; 0: keep all")
      ->check(not_negative);
  app.add_option("--validation-every", config.validation_every,
                 "steps between validations, with one before the first and one at the end; 0: none")
      ->check(not_negative);
  app.add_option("--validation-split", config.validation_split,
                 "fraction of the data's pictures to hold out of the training and validate on")
      ->check(CLI::Range(0.0, 0.9));
  app.add_option("--validation-data", config.validation_data,
                 "directory written by cache_latents to validate on, in place of a held-out fraction");
  app.add_option("--preview-every", config.previews.every,
                 "steps between previews, with one before the first and one at the end; 0: none")
      ->check(not_negative);
  app.add_option("--preview-prompts", config.previews.prompts,
                 "file of prompts to preview, one a line; # begins a comment");
  app.add_option("--preview-steps", config.previews.step_count, "sampling steps a preview (DPM-Solver++)")
      ->check(CLI::Range(1, 1000));
  app.add_option("--preview-guidance-scale", config.previews.guidance_scale, "of the previews");
  app.add_option("--preview-seed", config.previews.seed, "of every preview's noise");
  app.add_option("--preview-size", config.previews.size, "pixels along a side; 0: what the data has")
      ->check(not_negative);
  app.add_option(
      "--resume", config.resume,
      "auto: newest valid checkpoint in the output; none: refuse a used output; or a checkpoint to "
      "begin at, as long as the output has no later one");
  app.add_option("--max-nonfinite-steps", config.max_nonfinite_steps,
                 "consecutive skipped steps before giving up")
      ->check(positive);
  app.add_option("--log-format", config.log_format,
                 "of the terminal and the log files: text, or json (lines)")
      ->check(CLI::IsMember({"text", "json"}));
  app.add_option("--metrics-port", config.metrics_port, "Prometheus port, + local rank; 0: a free one")
      ->check(CLI::Range(0, 65535));
  app.add_option("--metrics-address", config.metrics_address, "address the metrics are served on");
  app.add_option("--step-timeout", config.step_timeout_seconds,
                 "seconds without progress before a rank gives up")
      ->check(positive);
  app.add_option("--startup-timeout", config.startup_timeout_seconds,
                 "the same while it starts and loads the model")
      ->check(positive);
  app.add_flag("--tensorboard", config.writes_tensorboard,
               "write event files for TensorBoard into OUTPUT/tensorboard");
  app.add_option("--trace-dir", config.trace_directory, "record every step's inputs and results here");
  app.add_option("--replay", config.replay_directory,
                 "OUTPUT/nonfinite-step-N: compute that step's samples again and compare, train nothing; the "
                 "model is the recorded one unless --model is given")
      ->each([needed_to_train](const std::string&) {
        for (CLI::Option* option : needed_to_train) option->required(false);
      });
  app.add_flag("--dry-run", config.is_dry_run, "check everything, print the plan, train nothing");
}

std::string text_of(const CLI::Option& option) {
  if (option.count() == 0) return option.get_default_str();
  if (option.get_expected_max() == 0) return option.as<bool>() ? "true" : "false";  // a flag
  return option.results().back();
}

bool is_toml_literal(const std::string& text) {
  if (text == "true" || text == "false") return true;
  char* end = nullptr;
  std::strtod(text.c_str(), &end);
  return !text.empty() && end == text.c_str() + text.size();
}

void check_validation_options(const TrainConfig& config) {
  const bool has_split = config.validation_split > 0, has_data = !config.validation_data.empty();
  if (has_split && has_data)
    throw Error(ExitCode::kUsage, {.what = "there are two sets to validate on",
                                   .expected = "--validation-split or --validation-data",
                                   .seen = "both",
                                   .advice = "leave one out"});
  if (config.validation_every > 0 && !has_split && !has_data)
    throw Error(ExitCode::kUsage,
                {.what = "there is nothing to validate on",
                 .expected = "--validation-split or --validation-data with --validation-every",
                 .seen = "neither",
                 .advice = "hold some pictures out of the training: --validation-split 0.05"});
}

void check_preview_options(const PreviewConfig& previews) {
  if (previews.every > 0 && previews.prompts.empty())
    throw Error(ExitCode::kUsage, {.what = "there is nothing to preview",
                                   .expected = "--preview-prompts FILE with --preview-every",
                                   .seen = "none",
                                   .advice = "write a few prompts into a file, one a line"});
}

}  // namespace

void TrainConfig::resolve(const std::string& name, const std::string& value) {
  for (auto& [known, text] : settings) {
    if (known != name) continue;
    if (default_settings[name] == text) default_settings[name] = value;  // it was left to us
    text = value;
  }
}

ParseResult parse_train_config(int argc, const char* const* argv, TrainConfig& config) {
  CLI::App app(
      "Trains a LoRA adapter for Stable Diffusion 1.5.\n"
      "  mpirun -np 2 build/bin/trainer --model sd15 --data cache --output runs/ink\n",
      "trainer");
  declare_options(app, config);
  if (parse_command_line(app, argc, argv) == ParseResult::kLeave) return ParseResult::kLeave;
  check_validation_options(config);
  check_preview_options(config.previews);
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames())
      if (name != "help" && name != "version" && name != "config") {
        config.settings.emplace_back(name, text_of(*option));
        config.default_settings[name] = option->get_default_str();
      }
  return ParseResult::kRun;
}

std::string to_toml(const TrainConfig& config) {
  std::string text = "# The resolved configuration of this run; `trainer --config` reads it.\n";
  for (const auto& [name, value] : config.settings) {
    if (value.empty()) continue;
    text += is_toml_literal(value) ? fmt::format("{} = {}\n", name, value)
                                   : fmt::format("{} = \"{}\"\n", name, value);
  }
  return text;
}

std::map<std::string, std::string> defining_settings(const TrainConfig& config) {
  static const std::set<std::string> others{"model",
                                            "data",
                                            "output",
                                            "device",
                                            "comm",
                                            "deterministic",
                                            "cuda-graph",
                                            "allow-gpu-sharing",
                                            "cpu-threads",
                                            "cpu-kernels",
                                            "resume",
                                            "dry-run",
                                            "max-nonfinite-steps",
                                            "metrics-address",
                                            "metrics-port",
                                            "trace-dir",
                                            "img-size",
                                            "checkpoint-every",
                                            "keep-checkpoints",
                                            "step-timeout",
                                            "startup-timeout",
                                            "validation-every",
                                            "validation-data",
                                            "preview-every",
                                            "preview-prompts",
                                            "preview-steps",
                                            "preview-guidance-scale",
                                            "preview-seed",
                                            "preview-size",
                                            "replay",
                                            "log-format",
                                            "tensorboard"};
  std::map<std::string, std::string> defining(config.settings.begin(), config.settings.end());
  std::erase_if(defining, [](const auto& setting) { return others.contains(setting.first); });
  return defining;
}

comm::Patience patience_of(const TrainConfig& config) {
  return {.start_up = std::chrono::seconds(config.startup_timeout_seconds),
          .step = std::chrono::seconds(config.step_timeout_seconds)};
}

std::map<std::string, std::string> settings_of_all_ranks(const TrainConfig& config) {
  static const std::set<std::string> own{
      "model",        "data",         "validation-data", "output",          "preview-prompts",
      "resume",       "trace-dir",    "device",          "cpu-threads",     "img-size",
      "metrics-port", "step-timeout", "startup-timeout", "metrics-address", "micro-batch-size"};
  std::map<std::string, std::string> shared(config.settings.begin(), config.settings.end());
  std::erase_if(shared, [](const auto& setting) { return own.contains(setting.first); });
  return shared;
}

}  // namespace sdlora::trainer
