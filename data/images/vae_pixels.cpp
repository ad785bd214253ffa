#include "data/images/vae_pixels.h"

#include <ATen/ATen.h>

namespace sdlora::data {

at::Tensor vae_pixels(const at::Tensor& rgb) {
  return rgb.permute({2, 0, 1}).to(at::kFloat).div(255.0).mul(2.0).sub(1.0).contiguous();
}

}  // namespace sdlora::data
