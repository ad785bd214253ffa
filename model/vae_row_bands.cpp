#include "model/vae_row_bands.h"

#include <algorithm>

#include <ATen/ATen.h>

namespace sdlora::model {
namespace {

constexpr int64_t kBandValues = int64_t{8} << 20;

// Group normalisation as x × scale + shift, from statistics of the whole picture.
struct ScaleAndShift {
  at::Tensor scale;  // [B, C, 1, 1]
  at::Tensor shift;  // [B, C, 1, 1]
};

ScaleAndShift scale_and_shift(const GroupNorm& norm, const at::Tensor& x) {
  const int64_t batch = x.size(0), channels = x.size(1), groups = norm.group_count;
  const auto [variance, mean] =
      at::var_mean(x.reshape({batch, groups, -1}).to(at::kFloat), at::IntArrayRef{2},
                   /*correction=*/0, /*keepdim=*/true);  // [B, groups, 1]
  const at::Tensor per_group = at::rsqrt(variance + norm.eps);
  const at::Tensor scale = per_group * norm.weight.view({1, groups, channels / groups});
  const at::Tensor shift = norm.bias.view({1, groups, channels / groups}) - mean * scale;
  const auto per_channel = [&](const at::Tensor& values) {
    return values.reshape({batch, channels, 1, 1}).to(x.scalar_type());
  };
  return {.scale = per_channel(scale), .shift = per_channel(shift)};
}

}  // namespace

std::vector<Rows> bands_of(int64_t channels, int64_t height, int64_t width) {
  const int64_t rows = std::clamp<int64_t>(kBandValues / (channels * width), 1, height);
  std::vector<Rows> bands;
  for (int64_t first = 0; first < height; first += rows)
    bands.push_back({first, std::min(rows, height - first)});
  return bands;
}

at::Tensor convolve_in_bands(const Convolution& convolution, int64_t height, int64_t width,
                             const std::function<at::Tensor(Rows rows)>& rows_of) {
  const int64_t out_channels = convolution.weight.size(0), in_channels = convolution.weight.size(1);
  at::Tensor out;
  for (const Rows band : bands_of(std::max(in_channels, out_channels), height, width)) {
    const int64_t begin = std::max<int64_t>(band.first - 1, 0);
    const int64_t end = std::min(band.first + band.count + 1, height);
    at::Tensor input = rows_of({begin, end - begin});
    const int64_t missing_above = begin - (band.first - 1);  // 1 at the picture's edge, where there is none
    const int64_t missing_below = band.first + band.count + 1 - end;
    if (missing_above + missing_below > 0)
      input = at::constant_pad_nd(input, {0, 0, missing_above, missing_below});
    const at::Tensor rows = at::conv2d(input, convolution.weight, convolution.bias, /*stride=*/1,
                                       /*padding=*/at::IntArrayRef{0, 1});
    if (!out.defined()) out = rows.new_empty({rows.size(0), out_channels, height, width});
    out.narrow(2, band.first, band.count).copy_(rows);
  }
  return out;
}

at::Tensor convolve_normalized(const GroupNorm& norm, const Convolution& convolution, const at::Tensor& x) {
  const ScaleAndShift affine = scale_and_shift(norm, x);
  return convolve_in_bands(convolution, x.size(2), x.size(3), [&](Rows rows) {
    at::Tensor normalized = at::addcmul(affine.shift, x.narrow(2, rows.first, rows.count), affine.scale);
    return at::silu_(normalized);
  });
}

}  // namespace sdlora::model
