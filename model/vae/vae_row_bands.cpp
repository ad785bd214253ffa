#include "model/vae/vae_row_bands.h"

#include <algorithm>
#include <array>

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
  // A view of the picture, whichever way it lies in memory: [B, h w, groups, C / groups] or [B, groups, C /
  // groups, h w]
  const bool is_channels_last = x.is_contiguous(at::MemoryFormat::ChannelsLast);
  const at::Tensor values = is_channels_last
                                ? x.permute({0, 2, 3, 1}).view({batch, -1, groups, channels / groups})
                                : x.reshape({batch, groups, channels / groups, -1});
  const std::array<int64_t, 2> all_of_a_group{is_channels_last ? 1 : 2, 3};
  auto [variance, mean] =
      at::var_mean(values.to(at::kFloat), at::IntArrayRef(all_of_a_group), /*correction=*/0);  // [B, groups]
  const at::Tensor per_group = at::rsqrt(variance + norm.eps).unsqueeze(-1);
  const at::Tensor scale = per_group * norm.weight.view({1, groups, channels / groups});
  const at::Tensor shift = norm.bias.view({1, groups, channels / groups}) - mean.unsqueeze(-1) * scale;
  const auto per_channel = [&](const at::Tensor& factors) {
    return factors.reshape({batch, channels, 1, 1}).to(x.scalar_type());
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
  const int64_t out_channels = convolution.bias.size(0);
  at::Tensor out;
  for (const Rows band : bands_of(std::max(convolution.in_channels, out_channels), height, width)) {
    // With a row more on each side, where the picture has one: the convolution's own padding is right only at
    // the picture's edge.
    const int64_t begin = std::max<int64_t>(band.first - 1, 0);
    const int64_t end = std::min(band.first + band.count + 1, height);
    const at::Tensor rows = convolution.forward(rows_of({begin, end - begin}));
    if (!out.defined())
      out = at::empty({rows.size(0), out_channels, height, width}, rows.options(),
                      rows.suggest_memory_format());
    out.narrow(2, band.first, band.count).copy_(rows.narrow(2, band.first - begin, band.count));
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
