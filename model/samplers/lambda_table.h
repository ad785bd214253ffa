// Where a solver in λ = log α - log σ, half the log signal-to-noise ratio, stops on its way: the tables of
// DPM-Solver++, DEIS and UniPC in diffusers.
#pragma once

#include <cstdint>
#include <vector>

#include "model/loading/model_config.h"
#include "model/noise/noise_schedule.h"

namespace sdlora::model {

// Where a file asks a solver for what it does not have, those that do not read that key are left.
inline constexpr const char* kSimplerSamplerAdvice =
    "use --sampler ddim or euler_a, which do without (a training run: leave out --preview-every)";

struct LambdaTable {
  std::vector<double> timesteps;
  std::vector<float> levels;  // σ/α at each timestep, and at the end
};

// Known keys of the file, with diffusers' defaults: timestep_spacing (linspace), steps_offset (0),
// use_karras_sigmas (false), final_sigmas_type (zero), lambda_min_clipped (-∞). Throws as make_sampler does.
LambdaTable make_lambda_table(const ModelConfig& config, const NoiseSchedule& schedule, int64_t step_count,
                              bool uses_karras_sigmas);

// Signal and noise of a variance-preserving x at noise level σ/α.
struct SignalAndNoise {
  explicit SignalAndNoise(float level);

  float lambda() const;

  float alpha;
  float sigma;
};

}  // namespace sdlora::model
