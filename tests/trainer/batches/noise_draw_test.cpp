#include "trainer/batches/noise_draw.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "common/seeds.h"

namespace sdlora::trainer {
namespace {

at::Tensor noise_of(const NoiseOptions& options, at::IntArrayRef shape = {4, 64, 64}) {
  return draw_noise(shape, options, generator_for(3));
}

TEST(Noise, IsPlainAsLongAsNothingIsAskedFor) {
  EXPECT_TRUE(at::equal(noise_of({}), at::randn({4, 64, 64}, generator_for(3), at::kFloat)));
}

TEST(Noise, HasAConstantOfItsOwnInEachChannelByTheOffset) {
  const at::Tensor constants = noise_of({.offset = 0.5}) - noise_of({});
  for (int64_t channel = 0; channel < 4; ++channel)
    EXPECT_LT(constants[channel].std().item<double>(), 1e-6) << "all of a channel moves alike";
  EXPECT_GT(constants.mean(at::IntArrayRef{1, 2}).std().item<double>(), 0.01) << "channels move apart";
}

TEST(Noise, StaysOfDeviationOneWithCoarserNoises) {
  const at::Tensor noise = noise_of({.multires_iterations = 6, .multires_discount = 0.9});
  EXPECT_NEAR(noise.std().item<double>(), 1, 1e-5);
}

// Neighbours are alike, the more so the less coarser noises are discounted.
TEST(Noise, IsCoarserWithCoarserNoises) {
  const auto likeness_of_neighbours = [](const at::Tensor& noise) {
    return (noise.slice(2, 0, 63) * noise.slice(2, 1, 64)).mean().item<double>();
  };
  EXPECT_NEAR(likeness_of_neighbours(noise_of({})), 0, 0.03);
  const double discounted = likeness_of_neighbours(noise_of({.multires_iterations = 8}));
  const double whole = likeness_of_neighbours(noise_of({.multires_iterations = 8, .multires_discount = 0.9}));
  EXPECT_GT(discounted, 0.02);
  EXPECT_GT(whole, discounted + 0.1);
}

TEST(Noise, StopsAtALevelOfOneCell) {
  const NoiseOptions many{.multires_iterations = 100, .multires_discount = 1};
  const at::Tensor noise = noise_of(many, {4, 1, 8});
  EXPECT_TRUE(at::equal(noise, noise_of({.multires_iterations = 1}, {4, 1, 8}))) << "the first is one high";
  EXPECT_TRUE(at::isfinite(noise_of(many)).all().item<bool>());
}

}  // namespace
}  // namespace sdlora::trainer
