#include "model/samplers/ddim.h"

#include <cmath>

#include <ATen/ATen.h>

#include "model/samplers/predicted_picture.h"
#include "model/samplers/timestep_spacing.h"

namespace sdlora::model {

Ddim::Ddim(const ModelConfig& config, const NoiseSchedule& schedule, int64_t step_count)
    : prediction_type_(schedule.prediction_type()) {
  config.require("thresholding", "false", "use --sampler euler_a, which does without");
  if (config.boolean("clip_sample", true)) clip_range_ = config.number("clip_sample_range", 1.0);
  const int64_t timestep_count = schedule.timestep_count();
  require_step_count(step_count, timestep_count);
  std::vector<double> timesteps =
      spaced_timesteps(timestep_spacing_of(config, TimestepSpacing::kLeading),
                       {timestep_count, timestep_count}, step_count, config.integer("steps_offset", 0));
  round_timesteps(timesteps);
  require_inside_schedule(timesteps, timestep_count, step_count);

  const float* alphas = schedule.alphas_cumprod().const_data_ptr<float>();
  const float last_alpha = config.boolean("set_alpha_to_one", true) ? 1 : alphas[0];
  for (const double timestep : timesteps) {
    const auto index = static_cast<int64_t>(timestep);
    const int64_t next_index = index - timestep_count / step_count;
    const float alpha = alphas[index], next_alpha = next_index >= 0 ? alphas[next_index] : last_alpha;
    steps_.push_back({.timestep = timestep,
                      .alpha = std::sqrt(alpha),
                      .sigma = std::sqrt(1 - alpha),
                      .next_alpha = std::sqrt(next_alpha),
                      .next_sigma = std::sqrt(1 - next_alpha)});
  }
}

at::Tensor Ddim::add_noise(const at::Tensor& latents, const at::Tensor& noise, int64_t first_step) const {
  const Step& step = steps_.at(static_cast<size_t>(first_step));
  return step.alpha * latents + step.sigma * noise;
}

at::Tensor Ddim::sample(at::Tensor x, int64_t first_step, const Denoiser& denoise,
                        const NoiseSource& /*draw_noise*/) const {
  for (size_t i = static_cast<size_t>(first_step); i < steps_.size(); ++i) {
    const Step& step = steps_[i];
    const at::Tensor prediction = denoise(x, step.timestep);
    const bool is_epsilon = prediction_type_ == PredictionType::kEpsilon;
    at::Tensor picture = picture_in_mixture(prediction_type_, x, prediction, step.alpha, step.sigma);
    const at::Tensor eps = is_epsilon ? prediction : step.alpha * prediction + step.sigma * x;
    if (clip_range_) picture = picture.clamp(-*clip_range_, *clip_range_);
    x = step.next_alpha * picture + step.next_sigma * eps;  // eq. 12
  }
  return x;
}

}  // namespace sdlora::model
