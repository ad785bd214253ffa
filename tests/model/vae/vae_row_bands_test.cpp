#include "model/vae/vae_row_bands.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "checkpoint/safetensors.h"
#include "common/seeds.h"
#include "model/vae/vae_layers.h"

namespace sdlora::model {
namespace {

// Enough values for several bands, in a height that they do not divide.
constexpr int64_t kChannels = 64, kHeight = 301, kWidth = 512;

at::Tensor values(at::IntArrayRef shape, uint64_t seed) {
  return at::randn(shape, generator_for(seed), at::kFloat);
}

Convolution convolution(int64_t out_channels) {
  Convolution layer;
  layer.weight = values({out_channels, kChannels, 3, 3}, 1) / 24;
  layer.bias = values({out_channels}, 2);
  layer.in_channels = kChannels;
  layer.padding = 1;
  return layer;
}

double relative_error(const at::Tensor& seen, const at::Tensor& expected) {
  return ((seen - expected).abs().max() / expected.abs().max()).item<double>();
}

TEST(RowBands, CoverEveryRowOnce) {
  for (const int64_t height : std::vector<int64_t>{1, 63, 64, kHeight, 1024}) {
    int64_t next = 0;
    for (const Rows rows : bands_of(kChannels, height, kWidth)) {
      EXPECT_EQ(rows.first, next);
      EXPECT_GT(rows.count, 0);
      next += rows.count;
    }
    EXPECT_EQ(next, height);
  }
  EXPECT_GT(bands_of(kChannels, kHeight, kWidth).size(), 1U) << "else these tests test nothing";
}

TEST(RowBands, GiveTheConvolutionOfTheWholePicture) {
  const Convolution layer = convolution(3);
  const at::Tensor x = values({2, kChannels, kHeight, kWidth}, 3);
  const at::Tensor seen = convolve_in_bands(layer, kHeight, kWidth,
                                            [&](Rows rows) { return x.narrow(2, rows.first, rows.count); });
  EXPECT_LT(relative_error(seen, at::conv2d(x, layer.weight, layer.bias, 1, 1)), 1e-6);
}

TEST(RowBands, NormalizeByTheStatisticsOfTheWholePicture) {
  const Convolution layer = convolution(3);
  GroupNorm norm;
  norm.weight = values({kChannels}, 4);
  norm.bias = values({kChannels}, 5);
  norm.group_count = 8;
  // Rows differ in mean and spread, so that a band's own statistics would show.
  const at::Tensor ramp = at::linspace(1, 5, kHeight).view({1, 1, kHeight, 1});
  const at::Tensor x = values({2, kChannels, kHeight, kWidth}, 3) * ramp + ramp;
  const at::Tensor expected = at::conv2d(at::silu(norm.forward(x)), layer.weight, layer.bias, 1, 1);
  EXPECT_LT(relative_error(convolve_normalized(norm, layer, x), expected), 2e-6);
  const at::Tensor channels_last = x.contiguous(at::MemoryFormat::ChannelsLast);
  EXPECT_LT(relative_error(convolve_normalized(norm, layer, channels_last), expected), 2e-6);
}

TEST(RowBands, UpsampleAsTheWholePicture) {
  const auto file = std::filesystem::path(testing::TempDir()) / "vae_row_bands_test.safetensors";
  checkpoint::write_safetensors(file, {{"conv.weight", values({kChannels, kChannels, 3, 3}, 1) / 24},
                                       {"conv.bias", values({kChannels}, 2)}});
  const WeightSource weights(weights_in({file}), file, {});
  const at::Tensor x = values({1, kChannels, kHeight / 2, kWidth / 2}, 3);
  const at::Tensor large = at::upsample_nearest2d(x, {2 * x.size(2), 2 * x.size(3)});
  const Convolution layer(weights.at("conv"), kChannels, kChannels, 3, 1, 1);
  EXPECT_LT(relative_error(VaeUpsampler(weights, kChannels).forward(x), layer.forward(large)), 1e-6);
}

}  // namespace
}  // namespace sdlora::model
