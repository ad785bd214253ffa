#include "model/samplers/euler_ancestral.h"

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>

#include "model/samplers/noise_levels.h"
#include "model/samplers/predicted_picture.h"
#include "model/samplers/timestep_spacing.h"

namespace sdlora::model {

EulerAncestral::EulerAncestral(const ModelConfig& config, const NoiseSchedule& schedule, int64_t step_count)
    : prediction_type_(schedule.prediction_type()) {
  const int64_t timestep_count = schedule.timestep_count();
  require_step_count(step_count, timestep_count);
  const TimestepSpacing spacing = timestep_spacing_of(config, TimestepSpacing::kLinspace);
  const std::vector<double> timesteps = spaced_timesteps(spacing, {timestep_count, timestep_count},
                                                         step_count, config.integer("steps_offset", 0));
  require_inside_schedule(timesteps, timestep_count, step_count);

  const std::vector<float> all_levels = noise_levels_of(schedule);
  std::vector<float> levels;
  levels.reserve(timesteps.size() + 1);
  for (const double timestep : timesteps)  // the reference rounds timesteps to fp32 first
    levels.push_back(static_cast<float>(noise_level_at(all_levels, static_cast<float>(timestep))));
  levels.push_back(0);
  for (size_t i = 0; i < timesteps.size(); ++i) {
    const float from = levels[i] * levels[i], to = levels[i + 1] * levels[i + 1];
    const float up = std::sqrt(to * (from - to) / from);
    steps_.push_back({.timestep = static_cast<float>(timesteps[i]),
                      .level = levels[i],
                      .down = std::sqrt(to - up * up),
                      .up = up});
  }
  const float greatest = *std::max_element(levels.begin(), levels.end());
  first_level_ = spacing == TimestepSpacing::kLeading ? std::sqrt(greatest * greatest + 1) : greatest;
}

at::Tensor EulerAncestral::add_noise(const at::Tensor& latents, const at::Tensor& noise,
                                     int64_t first_step) const {
  return latents + noise * steps_.at(static_cast<size_t>(first_step)).level;
}

at::Tensor EulerAncestral::sample(at::Tensor x, int64_t first_step, const Denoiser& denoise,
                                  const NoiseSource& draw_noise) const {
  for (size_t i = static_cast<size_t>(first_step); i < steps_.size(); ++i) {
    const Step& step = steps_[i];
    const float variance = step.level * step.level + 1;
    const at::Tensor prediction = denoise(x / std::sqrt(variance), step.timestep);
    const at::Tensor picture = picture_below_noise(prediction_type_, x, prediction, step.level);
    const at::Tensor derivative = (x - picture) / step.level;
    x = x + derivative * (step.down - step.level);
    if (i + 1 < steps_.size()) x = x + draw_noise() * step.up;
  }
  return x;
}

}  // namespace sdlora::model
