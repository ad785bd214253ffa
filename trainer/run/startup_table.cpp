#include "trainer/run/startup_table.h"

#include <algorithm>
#include <array>

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include "common/cpu_cores.h"
#include "common/host.h"
#include "trainer/run/objective_in_words.h"

namespace sdlora::trainer {
namespace {

constexpr double kMebibyte = 1024.0 * 1024.0;

std::string batch_arithmetic(const TrainConfig& config, const LoadedRun& loaded,
                             const StartupContext& context) {
  const BatchShare& share = loaded.share;
  const int64_t steps_left = config.schedule.max_steps - context.first_step;
  const double epochs = static_cast<double>(config.schedule.max_steps * config.batch.size) /
                        static_cast<double>(loaded.length.epoch.samples_per_epoch);
  return fmt::format(
      "{} samples per step = {} rank(s) × {} micro-batch(es) of {}\n"
      "{} steps to do of {} = {} samples in all = {:.2f} epochs",
      config.batch.size, context.rank_count, share.slot_count / share.micro_batch_size,
      share.micro_batch_size, steps_left, config.schedule.max_steps,
      config.schedule.max_steps * config.batch.size, epochs);
}

// What a rank holds besides activations; with these a dry run measures it, and the end of a run.
std::string memory_arithmetic(const LoadedRun& loaded, int64_t base_parameter_count) {
  const auto mebibytes = [](double bytes) { return bytes / kMebibyte; };
  const double weight_bytes = static_cast<double>(c10::elementSize(loaded.mode.dtype));
  const double prepared_bytes = static_cast<double>(loaded.mode.prepared_weights->byte_count());
  const double adapter_count = static_cast<double>(loaded.adapter.parameter_count());
  const bool is_fp32_on_cpu = loaded.mode.dtype == at::kFloat && loaded.mode.device.is_cpu();
  double merged_bytes = 0;  // lora_projection.h
  if (is_fp32_on_cpu)
    for (const lora::Adapter::Module& module : loaded.adapter.modules())
      if (module.is_projection)
        merged_bytes += weight_bytes * static_cast<double>(module.in_features * module.out_features);
  double optimizer_bytes = 0;
  for (const auto& [name, tensor] : loaded.optimizer->state())
    if (!tensor.is_same(loaded.adapter.parameters())) optimizer_bytes += static_cast<double>(tensor.nbytes());
  const std::vector<int64_t> embedding = loaded.dataset.embedding_shape();
  const auto data_bytes = static_cast<double>(loaded.dataset.byte_count());
  std::string text_encoder;
  if (loaded.reads_texts()) {
    const at::ScalarType dtype =
        loaded.text_reader ? loaded.mode.dtype : dtype_of(loaded.dataset.mixed_precision());
    text_encoder = fmt::format(", text encoder {:.0f} MiB",
                               mebibytes(static_cast<double>(c10::elementSize(dtype)) *
                                         static_cast<double>(loaded.model_source.parameter_count_of(
                                             model::ModelPart::kTextEncoder))));
  }
  if (loaded.text_embeddings)
    text_encoder += fmt::format(" and what it made at most {:.0f} MiB",
                                mebibytes(static_cast<double>(TextEmbeddings::kMostRemembered) *
                                          static_cast<double>(sizeof(float) * embedding[0] * embedding[1])));
  return fmt::format(
      "frozen UNet {:.0f} MiB{}{}\n"
      "adapter with gradients and the optimiser's state {:.1f} MiB, weights with it {:.1f} MiB, exact sum "
      "{:.1f} MiB, data "
      "at most {:.1f} MiB per rank{}\n"
      "and the activations of one micro-batch",
      mebibytes(static_cast<double>(base_parameter_count) * weight_bytes),
      is_fp32_on_cpu ? " (mapped: shared by the ranks of a host)" : "",
      prepared_bytes > 0
          ? fmt::format(", and as the CPU kernels want it {:.0f} MiB (shared by the ranks of a host)",
                        mebibytes(prepared_bytes))
          : "",
      mebibytes(2 * 4 * adapter_count + optimizer_bytes), mebibytes(merged_bytes),
      mebibytes(2 * 8 * adapter_count), mebibytes(data_bytes), text_encoder);
}

std::string model_in_words(const TrainConfig& config, const LoadedRun& loaded, int64_t parameter_count) {
  const bool is_distilled = loaded.unet.config().guidance_channels > 0;
  return fmt::format("{}\n{}\nUNet of {} parameters, frozen{}", config.places.model.string(),
                     loaded.model_source.description(), parameter_count,
                     is_distilled ? "\ndistilled with guidance (LCM): trained without that input" : "") +
         (loaded.text_reader ? "\nits text encoder is trained, too" : "");
}

std::string data_in_words(const TrainConfig& config, const LoadedRun& loaded) {
  std::string text =
      fmt::format("{}, {} samples of {}{} pixels", config.places.data.string(), loaded.dataset.sample_count(),
                  loaded.dataset.has_several_sizes() ? "many shapes, at most " : "",
                  data::in_words(loaded.dataset.picture_size()));
  if (const int64_t repeated = loaded.length.epoch.samples_per_epoch;
      repeated != static_cast<int64_t>(loaded.split.training.size()))
    text += fmt::format("\nwith repeats {} an epoch", repeated);
  if (const int64_t reg_count = loaded.dataset.reg_count(); reg_count > 0)
    text += fmt::format("\n{} of the pictures are regularisation's", reg_count);
  if (!loaded.split.held_out.empty())
    text += fmt::format("\n{} to train on, {} held out", loaded.split.training.size(),
                        loaded.split.held_out.size());
  if (loaded.validation)
    text += fmt::format("\nvalidation on {} samples at 4 timesteps each, every {}",
                        loaded.validation->sample_count(), in_words(config.validation.every));
  return text;
}

std::string captions_in_words(const data::CaptionRules& rules, const data::Dataset& dataset,
                              bool is_text_trained) {
  const char* several = dataset.has_several_captions() ? ", of some pictures one of several each time" : "";
  const std::vector<data::CaptionRules> by_subset = dataset.caption_rules(rules);
  const auto is_any = [&](bool (data::CaptionRules::*is_so)() const) {
    return std::any_of(by_subset.begin(), by_subset.end(), std::mem_fn(is_so));
  };
  const bool are_any_changed =
      std::any_of(by_subset.begin(), by_subset.end(),
                  [](const data::CaptionRules& its) { return !its.leave_captions_alone(); });
  std::string text = is_text_trained ? "encoded in each step" : "as they are cached";
  if (is_any(&data::CaptionRules::make_new_texts))
    text = "made anew for each sample, and encoded by each rank";
  else if (are_any_changed)
    text += ", or empty";
  text += several;
  for (size_t subset = 0; subset < by_subset.size(); ++subset)
    if (by_subset[subset] != rules)
      text += fmt::format("\n{}: by rules of its own (the data-set file's)", dataset.subsets()[subset].name);
  return text;
}

std::string own_threads() {
  const int count = at::get_num_threads();
  const std::vector<int> cores = cores_of();
  return fmt::format("{} thread{} on core{} {}", count, count == 1 ? "" : "s", cores.size() == 1 ? "" : "s",
                     describe_cores(cores));
}

}  // namespace

std::string describe_hosts(comm::Communicator& world) {
  struct Host {
    std::string name;
    int rank_count = 0;
    std::vector<std::string> threads;  // different ones
  };

  std::vector<Host> hosts;  // in the order of the ranks
  for (const std::string& text : world.gather(host_name() + "\n" + own_threads())) {
    const std::string name = text.substr(0, text.find('\n')), threads = text.substr(name.size() + 1);
    auto host = std::find_if(hosts.begin(), hosts.end(), [&](const Host& one) { return one.name == name; });
    if (host == hosts.end()) host = hosts.insert(hosts.end(), Host{.name = name});
    ++host->rank_count;
    if (std::find(host->threads.begin(), host->threads.end(), threads) == host->threads.end())
      host->threads.push_back(threads);
  }
  std::vector<std::string> texts;
  texts.reserve(hosts.size());
  for (const Host& host : hosts)
    texts.push_back(fmt::format("{} ({} rank{}: {}{})", host.name, host.rank_count,
                                host.rank_count == 1 ? "" : "s", fmt::join(host.threads, "; "),
                                host.rank_count > 1 && host.threads.size() == 1 ? " each" : ""));
  return fmt::format("{}", fmt::join(texts, ", "));
}

std::vector<monitoring::TableRow> startup_table(const TrainConfig& config, const LoadedRun& loaded,
                                                const StartupContext& context) {
  const int64_t base_parameter_count = loaded.model_source.parameter_count_of(model::ModelPart::kUnet);
  return {
      {"model", model_in_words(config, loaded, base_parameter_count)},
      {"noise", noise_in_words(config.noise, config.timesteps, loaded.schedule)},
      {"data", data_in_words(config, loaded)},
      {"captions", captions_in_words(config.captions.rules, loaded.dataset, loaded.text_reader != nullptr)},
      {"loss", loss_in_words(config.loss, loaded.dataset)},
      {"LoRA", lora::describe(loaded.adapter, loaded.base_parameter_count())},
      {"batch", batch_arithmetic(config, loaded, context)},
      {"optimiser", optimizer_in_words(config.optimizer, config.schedule)},
      {"precision", fmt::format("{} (frozen model), fp32 (adapter, gradients, optimiser); reduction {}",
                                config.compute.mixed_precision == model::MixedPrecision::kNo
                                    ? "fp32"
                                    : word_of(config.compute.mixed_precision, model::mixed_precision_words()),
                                word_of(config.compute.reduction, reduction_words()))},
      {"devices", fmt::format("{} rank(s) on {}, {} CPU thread(s) each", context.rank_count,
                              context.device.str(), at::get_num_threads())},
      {"hosts", context.hosts},
      {"memory", memory_arithmetic(loaded, base_parameter_count)},
      {"output", fmt::format("{}, {}", config.places.output.string(),
                             config.checkpoints.every.is_never()
                                 ? "a checkpoint at the end"
                                 : "a checkpoint every " + in_words(config.checkpoints.every))},
  };
}

}  // namespace sdlora::trainer
