#include "trainer/run/objective_in_words.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "trainer/options/optimizer_configs.h"

namespace sdlora::trainer {
namespace {

std::string huber_c_in_words(const LossOptions& loss) {
  if (loss.huber_schedule == HuberSchedule::kConstant) return fmt::format("c {:g}", loss.huber_c);
  return fmt::format("c from 1 to {:g} ({})", loss.huber_c,
                     word_of(loss.huber_schedule, huber_schedule_words()));
}

std::string kind_in_words(const LossOptions& loss) {
  switch (loss.kind) {
    case LossKind::kMse:
      break;
    case LossKind::kL1:
      return "mean absolute error";
    case LossKind::kHuber:
      return "pseudo-Huber loss, " + huber_c_in_words(loss);
    case LossKind::kSmoothL1:
      return "smooth L1 loss, " + huber_c_in_words(loss);
  }
  return "mean squared error";
}

std::string timestep_weights_in_words(const LossOptions& loss) {
  std::string text;
  if (loss.min_snr_gamma > 0) text += fmt::format(", min-SNR {:g}", loss.min_snr_gamma);
  if (loss.scales_v_prediction) text += ", velocity scaled as epsilon";
  if (loss.v_prediction_like_weight > 0)
    text += fmt::format(", {:g} x the velocity's loss added", loss.v_prediction_like_weight);
  if (loss.is_debiased) text += ", debiased estimation";
  return text;
}

}  // namespace

std::string loss_in_words(const LossOptions& loss, const data::Dataset& dataset) {
  std::string text = kind_in_words(loss) + timestep_weights_in_words(loss);
  if (loss.is_masked)
    text += loss.unmasked_weight == 0
                ? ", where masks are white"
                : fmt::format(", where masks are white, elsewhere x {:g}", loss.unmasked_weight);
  if (dataset.reg_count() > 0) text += fmt::format(", of regularisation pictures x {:g}", loss.prior_weight);
  if (loss.kind != LossKind::kMse || loss.weighs_timesteps())
    text += "\nshown by timestep, and in validation: plain mean squared errors";
  return text;
}

std::string optimizer_in_words(const OptimizerOptions& optimizer, const ScheduleOptions& schedule) {
  std::string text = word_of(optimizer.kind, optimizer_words());
  if (!optimizer.arguments.empty()) text += fmt::format(" ({})", fmt::join(optimizer.arguments, " "));
  const std::string warmup =
      schedule.warmup_steps_or_share < 1 && schedule.warmup_steps_or_share > 0
          ? fmt::format("{:g} % of the steps of warm-up", 100 * schedule.warmup_steps_or_share)
          : text_of(schedule.warmup_steps_or_share) + " warm-up steps";
  const std::string clipping = optimizer.max_gradient_norm > 0
                                   ? fmt::format("clipped to {:g}", optimizer.max_gradient_norm)
                                   : "not clipped";
  const std::string bound = optimizer.max_weight_norm > 0
                                ? fmt::format("\nwhat a module adds to its weight bounded to a norm of {:g}",
                                              optimizer.max_weight_norm)
                                : "";
  if (!takes_learning_rate(optimizer))
    return fmt::format("{}, learning rate of its own, gradient norm {}{}", text, clipping, bound);
  const std::string text_encoder_rate =
      optimizer.text_encoder_rate > 0 ? fmt::format(" (text encoder {:g})", optimizer.text_encoder_rate) : "";
  return fmt::format(
      "{}, learning rate {:g}{} {} after {}, gradient norm {}{}", text, optimizer.learning_rate,
      text_encoder_rate,
      takes_schedule(optimizer) ? word_of(schedule.kind, schedule_words()) : "without a schedule", warmup,
      clipping, bound);
}

std::string noise_in_words(const NoiseOptions& noise, const TimestepOptions& timesteps,
                           const model::NoiseSchedule& schedule) {
  std::string text = fmt::format("{} timesteps, {}", schedule.timestep_count(), schedule.describe());
  if (noise.offset > 0) text += fmt::format("\noffset {:g}", noise.offset);
  if (noise.multires_iterations > 0)
    text += fmt::format("\n{} coarser noises added, each x {:g} of the one before", noise.multires_iterations,
                        noise.multires_discount);
  if (noise.input_gamma > 0)
    text += fmt::format("\n{:g} more in the input than is predicted", noise.input_gamma);
  const int64_t bound = timesteps.bound == 0 ? schedule.timestep_count() : timesteps.bound;
  const bool is_uniform = timesteps.sampling == TimestepSampling::kUniform;
  if (timesteps.least > 0 || bound < schedule.timestep_count() || !is_uniform)
    text += fmt::format("\ntrained at timesteps {} to {}, {}", timesteps.least, bound - 1,
                        word_of(timesteps.sampling, timestep_sampling_words()));
  return text;
}

}  // namespace sdlora::trainer
