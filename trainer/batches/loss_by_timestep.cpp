#include "trainer/batches/loss_by_timestep.h"

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "common/error.h"

namespace sdlora::trainer {
namespace {

constexpr double kLargestSnr = 1000;  // where weights grow without bound

void check_prediction_type(const LossOptions& options, bool is_epsilon) {
  if (options.scales_v_prediction && is_epsilon)
    throw Error(ExitCode::kUsage, {.what = "--scale-v-pred-loss is for models that predict the velocity",
                                   .expected = "prediction type v_prediction",
                                   .seen = "epsilon",
                                   .advice = "leave it out"});
  if (options.v_prediction_like_weight > 0 && !is_epsilon)
    throw Error(ExitCode::kUsage, {.what = "--v-pred-like-loss is for models that predict epsilon",
                                   .expected = "prediction type epsilon",
                                   .seen = "v_prediction",
                                   .advice = "leave it out"});
}

double weight_at(double snr, const LossOptions& options, bool is_epsilon) {
  const double clamped = std::min(snr, kLargestSnr);
  double weight = 1;
  if (options.min_snr_gamma > 0)
    weight *= std::min(snr, options.min_snr_gamma) / (is_epsilon ? snr : snr + 1);
  if (options.scales_v_prediction) weight *= clamped / (clamped + 1);
  if (options.v_prediction_like_weight > 0)
    weight *= 1 + options.v_prediction_like_weight * (clamped + 1) / clamped;
  if (options.is_debiased) weight *= is_epsilon ? 1 / std::sqrt(clamped) : 1 / (clamped + 1);
  return weight;
}

// A schedule of which nothing is left at a timestep, though it predicts epsilon.
void check_finite_weight(float weight, int64_t timestep, double snr) {
  if (std::isfinite(weight)) return;
  throw Error(ExitCode::kUsage, {.what = "the loss cannot be weighted at a timestep of this noise schedule",
                                 .expected = "signal-to-noise ratios above 0",
                                 .seen = fmt::format("{:g} at timestep {}", snr, timestep),
                                 .advice = "leave --min-snr-gamma, --debiased-estimation and "
                                           "--v-pred-like-loss out"});
}

double huber_c_at(double snr, double share_of_timesteps, const LossOptions& options) {
  switch (options.huber_schedule) {
    case HuberSchedule::kSnr: {
      const double sigma = 1 / std::sqrt(snr);  // infinite where nothing of the picture is left
      return (1 - options.huber_c) / ((1 + sigma) * (1 + sigma)) + options.huber_c;
    }
    case HuberSchedule::kExponential:
      return std::pow(options.huber_c, share_of_timesteps);
    case HuberSchedule::kConstant:
      break;
  }
  return options.huber_c;
}

}  // namespace

LossByTimestep loss_by_timestep(const LossOptions& options, const model::NoiseSchedule& schedule) {
  const bool is_epsilon = schedule.prediction_type() == model::PredictionType::kEpsilon;
  check_prediction_type(options, is_epsilon);
  if (!options.weighs_timesteps() && !options.is_huber()) return {};
  const int64_t count = schedule.timestep_count();
  const at::Tensor snrs = schedule.snr(at::arange(count, at::kLong)).to(at::kDouble);  // [T]
  LossByTimestep loss;
  loss.weights.reserve(static_cast<size_t>(count));
  loss.huber_c.reserve(static_cast<size_t>(count));
  for (int64_t t = 0; t < count; ++t) {
    const auto snr = snrs[t].item<double>();
    if (options.weighs_timesteps()) {
      loss.weights.push_back(static_cast<float>(weight_at(snr, options, is_epsilon)));
      check_finite_weight(loss.weights.back(), t, snr);
    }
    if (options.is_huber()) {
      const double share = static_cast<double>(t) / static_cast<double>(count);
      loss.huber_c.push_back(static_cast<float>(huber_c_at(snr, share, options)));
    }
  }
  return loss;
}

}  // namespace sdlora::trainer
