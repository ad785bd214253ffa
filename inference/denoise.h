// Text-to-image and image-to-image in latent space: from noise, or a noisy picture, to clean latents. Needs
// no more than a UNet and embeddings, so that a training run can draw previews with the model it trains.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "model/loading/compute_mode.h"
#include "model/samplers/sampler.h"
#include "model/unet/unet.h"

namespace sdlora::inference {

// One picture. Its random draws come from a CPU generator of its own, seeded with `seed`: first the noise
// [1, 4, h, w], unless that is given, then, for a sampler that adds noise, one draw per step; Python's
// torch.Generator().manual_seed(seed) draws the same, as do diffusers' pipelines with a list of generators.
struct PictureStart {
  at::Tensor text_embedding;           // [L, C] f32
  at::Tensor negative_text_embedding;  // [L, C] f32
  uint64_t seed = 0;
  at::Tensor noise;         // [1, 4, h, w] f32 in place of the drawn; undefined: drawn
  at::Tensor init_latents;  // [1, 4, h, w] f32, scaled: where image-to-image starts; undefined: text-to-image
};

struct Denoising {
  const model::UNet& unet;
  model::ComputeMode mode;  // the UNet's
  const model::Sampler& sampler;
  double guidance_scale = 7.5;
  std::vector<int64_t> latent_shape;  // {1, 4, h, w}
  int64_t first_step = 0;             // image-to-image: image_to_image_first_step()
  std::function<void()> on_step = [] {};
};

// The pictures together, either all with init_latents or none; without gradients. Which pictures share a
// batch does not change them beyond rounding. → [B, 4, h, w] f32 on the CPU
at::Tensor denoise(const Denoising& denoising, const std::vector<PictureStart>& pictures);

// How many of the steps image-to-image leaves out: it does the last ⌊step_count strength⌋.
// Throws Error(kUsage) when that is none.
int64_t image_to_image_first_step(int64_t step_count, double strength);

}  // namespace sdlora::inference
