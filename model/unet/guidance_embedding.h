// How a model that was distilled with guidance is told its scale (Meng et al. 2023, "On distillation of
// guided diffusion models"; Luo et al. 2023, "Latent consistency models"; diffusers
// get_guidance_scale_embedding): in one forward, in place of a second one over the negative prompt.
#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace sdlora::model {

// The sinusoids of 1,000 (guidance_scale - 1). → [1, channels] f32 on the CPU; channels of 4 or more.
at::Tensor guidance_embedding(double guidance_scale, int64_t channels);

}  // namespace sdlora::model
