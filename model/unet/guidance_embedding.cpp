#include "model/unet/guidance_embedding.h"

#include <cmath>

#include <ATen/ATen.h>

namespace sdlora::model {

at::Tensor guidance_embedding(double guidance_scale, int64_t channels) {
  constexpr double kScaleFactor = 1000, kMaxPeriod = 10000;
  const int64_t half = channels / 2;
  const double slope = std::log(kMaxPeriod) / static_cast<double>(half - 1);
  const at::Tensor frequencies = at::exp(at::arange(half, at::kFloat) * -slope);  // [half]
  const at::Tensor angles = frequencies * ((guidance_scale - 1) * kScaleFactor);
  const at::Tensor sinusoid = at::cat({angles.sin(), angles.cos()});
  return at::constant_pad_nd(sinusoid, {0, channels % 2}).unsqueeze(0);
}

}  // namespace sdlora::model
