#include "model/samplers/lambda_table.h"

#include <cmath>

#include "model/samplers/noise_levels.h"
#include "model/samplers/timestep_spacing.h"

namespace sdlora::model {
namespace {

float last_level(const ModelConfig& config, const std::vector<float>& levels) {
  const std::string type = config.text("final_sigmas_type", "zero");
  if (type == "zero") return 0;
  if (type == "sigma_min") return levels.front();
  config.refuse("final_sigmas_type", "\"zero\" or \"sigma_min\"");
}

std::vector<double> plain_timesteps(const ModelConfig& config, int64_t timestep_count, int64_t step_count) {
  const TimestepSpacing spacing = timestep_spacing_of(config, TimestepSpacing::kLinspace);
  const bool leaves_out_last = spacing != TimestepSpacing::kTrailing;  // timestep 0, or the offset
  require_step_count(step_count, timestep_count - (leaves_out_last ? 1 : 0));
  std::vector<double> timesteps = spaced_timesteps(
      spacing, timestep_count, step_count + (leaves_out_last ? 1 : 0), config.integer("steps_offset", 0));
  if (leaves_out_last) timesteps.pop_back();
  round_timesteps(timesteps);
  require_inside_schedule(timesteps, timestep_count, step_count);
  return timesteps;
}

}  // namespace

LambdaTable make_lambda_table(const ModelConfig& config, const NoiseSchedule& schedule, int64_t step_count,
                              bool uses_karras_sigmas) {
  const std::vector<float> levels = noise_levels_of(schedule);
  LambdaTable table{.timesteps = plain_timesteps(config, schedule.timestep_count(), step_count),
                    .levels = {}};
  if (uses_karras_sigmas || config.boolean("use_karras_sigmas", false)) {
    table.timesteps.clear();
    for (const double level : karras_levels(levels, step_count)) {
      table.levels.push_back(static_cast<float>(level));
      table.timesteps.push_back(timestep_of_level(levels, level));
    }
    round_timesteps(table.timesteps);
  } else {
    for (const double timestep : table.timesteps)
      table.levels.push_back(static_cast<float>(noise_level_at(levels, timestep)));
  }
  table.levels.push_back(last_level(config, levels));
  return table;
}

SignalAndNoise::SignalAndNoise(float level) : alpha(1 / std::sqrt(level * level + 1)), sigma(level * alpha) {}

float SignalAndNoise::lambda() const {
  return std::log(alpha) - std::log(sigma);
}

}  // namespace sdlora::model
