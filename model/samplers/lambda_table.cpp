#include "model/samplers/lambda_table.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "model/samplers/noise_levels.h"
#include "model/samplers/timestep_spacing.h"

namespace sdlora::model {
namespace {

float last_level(const ModelConfig& config, const std::vector<float>& levels) {
  const std::string type = config.text("final_sigmas_type", "zero");
  if (type == "zero") return 0;
  if (type == "sigma_min") return levels.front();
  config.refuse("final_sigmas_type", "\"zero\" or \"sigma_min\"", kSimplerSamplerAdvice);
}

// How many timesteps from 0 on have at least the file's lambda_min_clipped, which keeps a solver from where
// next to nothing but noise is left (squaredcos_cap_v2).
int64_t usable_timesteps(const ModelConfig& config, const std::vector<float>& levels) {
  const double least =
      config.number_or_infinity("lambda_min_clipped", -std::numeric_limits<double>::infinity());
  const auto is_usable = [&](float level) { return double{SignalAndNoise(level).lambda()} >= least; };
  const int64_t count = std::partition_point(levels.begin(), levels.end(), is_usable) - levels.begin();
  if (count == 0) config.refuse("lambda_min_clipped", "less than the λ of the first timestep");
  return count;
}

std::vector<double> plain_timesteps(const ModelConfig& config, const TimestepRange& range,
                                    int64_t step_count) {
  const TimestepSpacing spacing = timestep_spacing_of(config, TimestepSpacing::kLinspace);
  const bool leaves_out_last = spacing != TimestepSpacing::kTrailing;  // timestep 0, or the offset
  require_step_count(step_count, range.usable_count - (leaves_out_last ? 1 : 0));
  std::vector<double> timesteps = spaced_timesteps(spacing, range, step_count + (leaves_out_last ? 1 : 0),
                                                   config.integer("steps_offset", 0));
  if (leaves_out_last) timesteps.pop_back();
  round_timesteps(timesteps);
  require_inside_schedule(timesteps, range.count, step_count);
  return timesteps;
}

}  // namespace

LambdaTable make_lambda_table(const ModelConfig& config, const NoiseSchedule& schedule, int64_t step_count,
                              bool uses_karras_sigmas) {
  const std::vector<float> levels = noise_levels_of(schedule);
  LambdaTable table{.timesteps = plain_timesteps(
                        config, {schedule.timestep_count(), usable_timesteps(config, levels)}, step_count),
                    .levels = {}};
  if (uses_karras_sigmas || config.boolean("use_karras_sigmas", false)) {
    table.timesteps.clear();
    for (const double level : karras_levels(levels, step_count)) {
      table.levels.push_back(static_cast<float>(level));
      table.timesteps.push_back(timestep_of_level(levels, level));
    }
    // The reference rounds all but those of the cosine schedule, which it cuts.
    if (config.text("beta_schedule", "") == "squaredcos_cap_v2")
      for (double& timestep : table.timesteps) timestep = std::trunc(timestep);
    else
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
