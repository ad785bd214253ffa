// Pictures as the VAE sees them and as 8-bit RGB.
#pragma once

#include <cstdint>
#include <filesystem>

#include "data/images/picture_size.h"
#include "model/vae/vae.h"

namespace sdlora::inference {

// A picture file, turned, resized and cropped as cache_latents does (data/images/image_pixels.h).
// → [3, H, W] f32 in -1 … 1. Throws Error(kIo) when it is not there, Error(kBadData) when it is no picture.
at::Tensor load_picture(const std::filesystem::path& file, const data::PictureSize& size);

// pixels [3, H, W] in -1 … 1 → the mean of the posterior, scaled as the UNet sees it, [1, 4, h, w] f32 on the
// CPU
at::Tensor encode_picture(const model::Vae& vae, const at::Tensor& pixels, at::Device device);

// latents [1, 4, h, w] → [H, W, 3] u8 on the CPU, RGB. Throws Error(kDiverged) when they are, or decode to,
// values that are not finite: that would be a black picture.
at::Tensor decode_picture(const model::Vae& vae, const at::Tensor& latents, at::Device device);

}  // namespace sdlora::inference
