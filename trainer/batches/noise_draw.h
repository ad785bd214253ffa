// The noise of a sample.
#pragma once

#include <ATen/Generator.h>
#include <ATen/core/Tensor.h>

#include "trainer/options/noise_options.h"

namespace sdlora::trainer {

// [4, h, w] f32: what is added to the latents and predicted. In this order, each from `generator`: plain
// noise; the offset (Guttenberg 2023, "Diffusion with offset noise"), one number a channel, which hides the
// latents' mean, so that the model learns to choose it; and coarser noises (Whitaker 2023, "Multi-resolution
// noise"; kohya's pyramid_noise_like): level i, from 0, of ⌊h / r^i⌋ × ⌊w / r^i⌋ cells with r = 2 + 2 U drawn
// for each, enlarged bilinearly, times discount^i, until a level is one cell high or wide. The sum is divided
// by its own standard deviation: kohya's by the batch's, which would depend on how a batch is cut.
at::Tensor draw_noise(at::IntArrayRef shape, const NoiseOptions& options, at::Generator generator);

}  // namespace sdlora::trainer
