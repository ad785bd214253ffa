#include "trainer/batches/noise_draw.h"

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>

namespace sdlora::trainer {
namespace {

// Of [4, h, w], in place.
void add_coarser_noises(at::Tensor& noise, int64_t iterations, double discount, at::Generator generator) {
  const int64_t channels = noise.size(0), height = noise.size(1), width = noise.size(2);
  for (int64_t level = 0; level < iterations; ++level) {
    const double ratio = 2 + 2 * at::rand({1}, generator, at::kDouble).item<double>();
    const double divisor = std::pow(ratio, static_cast<double>(level));
    const auto cells = [divisor](int64_t count) {
      return std::max<int64_t>(1, static_cast<int64_t>(static_cast<double>(count) / divisor));
    };
    const int64_t high = cells(height), wide = cells(width);
    const at::Tensor coarse = at::randn({1, channels, high, wide}, generator, at::kFloat);
    noise += std::pow(discount, static_cast<double>(level)) *
             at::upsample_bilinear2d(coarse, {height, width}, /*align_corners=*/false).squeeze(0);
    if (high == 1 || wide == 1) break;
  }
  noise /= noise.std();
}

}  // namespace

at::Tensor draw_noise(at::IntArrayRef shape, const NoiseOptions& options, at::Generator generator) {
  at::Tensor noise = at::randn(shape, generator, at::kFloat);
  if (options.offset > 0) noise += options.offset * at::randn({shape[0], 1, 1}, generator, at::kFloat);
  if (options.multires_iterations > 0)
    add_coarser_noises(noise, options.multires_iterations, options.multires_discount, generator);
  return noise;
}

}  // namespace sdlora::trainer
