#include "trainer/plan.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

namespace sdlora::trainer {
namespace {

constexpr double kMebibyte = 1024.0 * 1024.0;

std::string batch_arithmetic(const TrainConfig& config, const RunParts& parts, const PlanContext& context) {
  const BatchShare& share = parts.share;
  const int64_t steps_left = config.max_steps - context.first_step;
  const double epochs = static_cast<double>(config.max_steps * config.batch_size) /
                        static_cast<double>(parts.split.training.size());
  return fmt::format(
      "{} samples a step = {} rank(s) × {} micro-batch(es) of {}; {} steps to do of {} = {} samples in all = "
      "{:.2f} epochs",
      config.batch_size, context.rank_count, share.slot_count / share.micro_batch_size,
      share.micro_batch_size, steps_left, config.max_steps, config.max_steps * config.batch_size, epochs);
}

// What a rank holds besides activations, which depend on the model and are reported as resident memory at the
// end.
std::string memory_arithmetic(const RunParts& parts, int64_t base_parameter_count) {
  const auto mebibytes = [](double bytes) { return bytes / kMebibyte; };
  const double weight_bytes = static_cast<double>(c10::elementSize(parts.placement.dtype));
  const double adapter_count = static_cast<double>(parts.adapter.parameter_count());
  const data::Sample sample = parts.dataset.sample(0);
  const double data_bytes =
      static_cast<double>(parts.dataset.sample_count()) *
      static_cast<double>(2 * sample.latent_mean.nbytes() + sample.text_embedding.nbytes());
  return fmt::format(
      "frozen UNet {:.0f} MiB{}, adapter with gradients and moments {:.1f} MiB, exact sum {:.1f} MiB, data "
      "at most "
      "{:.1f} MiB a rank, and the activations of one micro-batch",
      mebibytes(static_cast<double>(base_parameter_count) * weight_bytes),
      parts.placement.dtype == at::kFloat && parts.placement.device.is_cpu()
          ? " (mapped: shared by the ranks of a host)"
          : "",
      mebibytes(4 * 4 * adapter_count), mebibytes(2 * 8 * adapter_count), mebibytes(data_bytes));
}

std::string data_in_words(const TrainConfig& config, const RunParts& parts) {
  std::string text = fmt::format("{}, {} samples of {}² pixels", config.data.string(),
                                 parts.dataset.sample_count(), parts.dataset.image_size());
  if (!parts.split.held_out.empty())
    text += fmt::format("; {} to train on, {} held out", parts.split.training.size(),
                        parts.split.held_out.size());
  if (parts.validation)
    text += fmt::format("; validation on {} samples at 4 timesteps each, every {} steps",
                        parts.validation->sample_count(), config.validation_every);
  return text;
}

}  // namespace

std::vector<std::string> describe_plan(const TrainConfig& config, const RunParts& parts,
                                       const PlanContext& context) {
  const int64_t base_parameter_count = parts.model_directory.parameter_count_of("unet");
  return {
      fmt::format("model:     {}, UNet of {} parameters, frozen", config.model.string(),
                  base_parameter_count),
      "data:      " + data_in_words(config, parts),
      "adapter:   " + lora::describe(parts.adapter, base_parameter_count),
      "batch:     " + batch_arithmetic(config, parts, context),
      fmt::format(
          "optimiser: AdamW, learning rate {:g} {} after {} warm-up steps, gradient norm clipped to {:g}",
          config.learning_rate, config.learning_rate_schedule, config.warmup_steps, config.max_gradient_norm),
      fmt::format("precision: {} (frozen model), fp32 (adapter, gradients, AdamW); reduction {}",
                  at::toString(parts.placement.dtype), config.reduction),
      fmt::format("devices:   {} rank(s) on {}, {} CPU thread(s) each", context.rank_count,
                  context.device.str(), at::get_num_threads()),
      "memory:    " + memory_arithmetic(parts, base_parameter_count),
      fmt::format("output:    {}, a checkpoint every {} steps", config.output.string(),
                  config.checkpoint_every),
  };
}

}  // namespace sdlora::trainer
