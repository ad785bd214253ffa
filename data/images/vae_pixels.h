// 8-bit pixels to what the VAE takes.
#pragma once

#include <ATen/core/Tensor.h>

namespace sdlora::data {

// rgb [H, W, 3] u8 → [3, H, W] f32 in -1 … 1: byte / 255 × 2 - 1, computed where `rgb` is.
at::Tensor vae_pixels(const at::Tensor& rgb);

}  // namespace sdlora::data
