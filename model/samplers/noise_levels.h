// Noise levels σ = √((1 - ᾱ) / ᾱ): how much noise stands beside a signal of strength 1 (Karras et al. 2022,
// "Elucidating the design space of diffusion-based generative models").
#pragma once

#include <vector>

#include "model/noise/noise_schedule.h"

namespace sdlora::model {

// σ of timestep 0 … T - 1, ascending; finite also where the terminal SNR is zero (4,096 there).
std::vector<float> noise_levels_of(const NoiseSchedule& schedule);

// σ at a timestep that may lie between two.
double noise_level_at(const std::vector<float>& levels, double timestep);

// Karras et al. 2022, eq. 5 with ρ = 7: `count` levels from the greatest to the least of `levels`.
std::vector<double> karras_levels(const std::vector<float>& levels, int64_t count);

// The timestep, between two perhaps, whose level is `level`: linear in log σ.
double timestep_of_level(const std::vector<float>& levels, double level);

}  // namespace sdlora::model
