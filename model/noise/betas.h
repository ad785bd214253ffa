// β_t, how much noise each timestep adds, in the arithmetic of diffusers' schedulers.
#pragma once

#include <ATen/core/Tensor.h>

#include "model/loading/model_config.h"

namespace sdlora::model {

// From a scheduler file: trained_betas, else beta_schedule (linear, scaled_linear, squaredcos_cap_v2) with
// beta_start and beta_end over num_train_timesteps. [T] f32. Throws Error(kBadData) naming the key.
at::Tensor betas_of(const ModelConfig& config);

// Lin et al. 2023, "Common diffusion noise schedules and sample steps are flawed", algorithm 1: √ᾱ shifted so
// that the last is 0 and scaled so that the first is kept. betas [T] f32 → [T] f32, the last of them 1.
at::Tensor rescale_to_zero_terminal_snr(const at::Tensor& betas);

}  // namespace sdlora::model
