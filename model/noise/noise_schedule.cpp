#include "model/noise/noise_schedule.h"

#include <cmath>
#include <utility>

#include <ATen/ATen.h>

namespace sdlora::model {
namespace {

constexpr int64_t kMostTimesteps = 1'000'000;  // models have 1,000

at::Tensor betas_of(const ModelConfig& config) {  // [T] f32
  const int64_t step_count = config.integer("num_train_timesteps", 1000);
  const double first = config.number("beta_start", 0.0001), last = config.number("beta_end", 0.02);
  const std::string kind = config.text("beta_schedule", "linear");
  if (step_count < 1 || step_count > kMostTimesteps)
    config.refuse("num_train_timesteps", "1 to " + std::to_string(kMostTimesteps));
  if (first < 0 || first >= 1) config.refuse("beta_start", "0 or more, and less than 1");
  if (last < 0 || last >= 1) config.refuse("beta_end", "0 or more, and less than 1");
  config.require("trained_betas", "null");
  config.require("rescale_betas_zero_snr", "false");
  if (kind == "linear") return at::linspace(first, last, step_count, at::kFloat);
  if (kind != "scaled_linear") config.refuse("beta_schedule", "\"scaled_linear\" or \"linear\"");
  return at::linspace(std::sqrt(first), std::sqrt(last), step_count, at::kFloat).pow(2);
}

// √ᾱ and √(1-ᾱ) at the timesteps, shaped to multiply [B, 4, h, w].
std::pair<at::Tensor, at::Tensor> signal_and_noise(const at::Tensor& alphas_cumprod,
                                                   const at::Tensor& timesteps, const at::Tensor& like) {
  const at::Tensor alpha = alphas_cumprod.to(like.options()).index_select(0, timesteps).view({-1, 1, 1, 1});
  return {alpha.sqrt(), (1 - alpha).sqrt()};
}

}  // namespace

NoiseSchedule::NoiseSchedule(const ModelConfig& config)
    : alphas_cumprod_((1 - betas_of(config)).cumprod(0)),
      alphas_cumprod_on_device_(alphas_cumprod_),
      prediction_type_(PredictionType::kEpsilon) {
  const std::string type = config.text("prediction_type", "epsilon");
  if (type == "v_prediction")
    prediction_type_ = PredictionType::kVelocity;
  else if (type != "epsilon")
    config.refuse("prediction_type", "\"epsilon\" or \"v_prediction\"");
}

NoiseSchedule NoiseSchedule::on(at::Device device) const {
  NoiseSchedule schedule = *this;
  schedule.alphas_cumprod_on_device_ = alphas_cumprod_.to(device);
  return schedule;
}

at::Tensor NoiseSchedule::add_noise(const at::Tensor& latents, const at::Tensor& noise,
                                    const at::Tensor& timesteps) const {
  const auto [signal, noise_share] = signal_and_noise(alphas_cumprod_on_device_, timesteps, latents);
  return signal * latents + noise_share * noise;
}

at::Tensor NoiseSchedule::target(const at::Tensor& latents, const at::Tensor& noise,
                                 const at::Tensor& timesteps) const {
  if (prediction_type_ == PredictionType::kEpsilon) return noise;
  const auto [signal, noise_share] = signal_and_noise(alphas_cumprod_on_device_, timesteps, latents);
  return signal * noise - noise_share * latents;
}

at::Tensor NoiseSchedule::snr(const at::Tensor& timesteps) const {
  const at::Tensor alpha = alphas_cumprod_on_device_.to(timesteps.device()).index_select(0, timesteps);
  return alpha / (1 - alpha);
}

}  // namespace sdlora::model
