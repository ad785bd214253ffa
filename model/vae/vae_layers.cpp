#include "model/vae/vae_layers.h"

#include <algorithm>

#include <ATen/ATen.h>

namespace sdlora::model {
namespace {

Convolution convolution_3x3(const WeightSource& weights, int64_t in_channels, int64_t out_channels) {
  return Convolution(weights, in_channels, out_channels, 3, /*stride_cells=*/1, /*padding_cells=*/1);
}

}  // namespace

VaeResnet::VaeResnet(const WeightSource& weights, int64_t in_channels, int64_t out_channels,
                     int64_t norm_group_count)
    : norm1_(weights.at("norm1"), in_channels, norm_group_count, kVaeNormEps),
      norm2_(weights.at("norm2"), out_channels, norm_group_count, kVaeNormEps),
      conv1_(convolution_3x3(weights.at("conv1"), in_channels, out_channels)),
      conv2_(convolution_3x3(weights.at("conv2"), out_channels, out_channels)) {
  if (in_channels != out_channels)
    shortcut_ = Convolution(weights.at("conv_shortcut"), in_channels, out_channels, 1);
}

at::Tensor VaeResnet::forward(const at::Tensor& x) const {
  at::Tensor out = convolve_normalized(norm2_, conv2_, convolve_normalized(norm1_, conv1_, x));
  for (const Rows band : bands_of(x.size(1), x.size(2), x.size(3))) {
    const at::Tensor rows = x.narrow(2, band.first, band.count);
    out.narrow(2, band.first, band.count).add_(shortcut_.is_defined() ? shortcut_.forward(rows) : rows);
  }
  return out;
}

VaeUpsampler::VaeUpsampler(const WeightSource& weights, int64_t channels)
    : conv_(convolution_3x3(weights.at("conv"), channels, channels)) {}

at::Tensor VaeUpsampler::forward(const at::Tensor& x) const {
  const int64_t height = 2 * x.size(2), width = 2 * x.size(3);
  return convolve_in_bands(conv_, height, width, [&](Rows rows) {
    const int64_t begin = rows.first / 2, end = (rows.first + rows.count + 1) / 2;  // rows of x
    const at::Tensor large =
        at::upsample_nearest2d(x.narrow(2, begin, end - begin), {2 * (end - begin), width});
    return large.narrow(2, rows.first - 2 * begin, rows.count);
  });
}

}  // namespace sdlora::model
