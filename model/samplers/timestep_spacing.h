// At which timesteps the UNet is asked: table 2 of Lin et al. 2023, "Common diffusion noise schedules and
// sample steps are flawed", in the arithmetic of NumPy, in which diffusers makes its tables.
#pragma once

#include <cstdint>
#include <vector>

#include "model/loading/model_config.h"

namespace sdlora::model {

enum class TimestepSpacing { kLinspace, kLeading, kTrailing };

// The file's key timestep_spacing, else `fallback`. Throws Error(kBadData).
TimestepSpacing timestep_spacing_of(const ModelConfig& config, TimestepSpacing fallback);

// The T timesteps of a schedule, of which the first U may be visited: usually all of them.
struct TimestepRange {
  int64_t count;         // T
  int64_t usable_count;  // U
};

// Descending; not rounded, except for trailing.
//   linspace  `count` values from U - 1 to 0
//   leading   `count` multiples of ⌊U / count⌋, plus `offset`
//   trailing  U - 1, U - 1 - T / count … : `count` values where U is T, now and then one more for rounding
std::vector<double> spaced_timesteps(TimestepSpacing spacing, const TimestepRange& range, int64_t count,
                                     int64_t offset);

// To the nearest integer, ties to even.
void round_timesteps(std::vector<double>& timesteps);

// Throws Error(kUsage) when the table leaves 0 … T - 1, which many steps and an offset may bring about.
void require_inside_schedule(const std::vector<double>& timesteps, int64_t timestep_count,
                             int64_t step_count);

// Throws Error(kUsage) unless 1 ≤ step_count ≤ `most`.
void require_step_count(int64_t step_count, int64_t most);

}  // namespace sdlora::model
