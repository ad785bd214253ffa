#include <cstdlib>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "model/model_source.h"
#include "tests/support/random_values.h"

namespace sdlora::model {
namespace {

struct LoadedUNet {
  ComputeMode mode;
  UNet unet;

  static LoadedUNet expecting(MapSize latents) {
    ComputeMode mode = compute_mode_on(at::kCPU, at::kFloat);
    mode.expected_latents = latents;
    mode.prepared_weights = std::make_shared<kernels::PreparedWeights>();
    UNet unet = ModelSource(std::getenv("SDLORA_TINY_MODEL")).load_unet(mode);
    return {mode, std::move(unet)};
  }

  int64_t prepared_bytes() const { return mode.prepared_weights->byte_count(); }
};

// Of the prediction, and of its gradient with respect to the latents.
std::vector<at::Tensor> results_of(const UNet& unet, int64_t side) {
  const at::Tensor latents = sdlora::random_values({2, 4, side, side}, 1).set_requires_grad(true);
  const at::Tensor prediction =
      unet.forward(latents, at::full({2}, 500, at::kLong), sdlora::random_values({2, 77, 64}, 2));
  prediction.backward(sdlora::random_values(prediction.sizes(), 3));
  return {prediction.detach(), latents.grad()};
}

double relative_difference(const at::Tensor& a, const at::Tensor& b) {
  return ((a - b).norm() / b.norm()).item<double>();
}

TEST(MapSize, IsRoundedUpByEveryHalving) {
  const MapSize latents{.height = 9, .width = 64};
  EXPECT_EQ(latents.halved(0).cells(), 9 * 64);
  EXPECT_EQ(latents.halved(1).cells(), 5 * 32);
  EXPECT_EQ(latents.halved(3).cells(), 2 * 8);
  EXPECT_EQ(MapSize().halved(3).cells(), 0) << "unknown stays unknown";
}

TEST(UNetThatExpectsAMap, PredictsWhatOneWithoutPredictsOnItAndOnAnyOther) {
  const LoadedUNet plain = LoadedUNet::expecting({}), expecting = LoadedUNet::expecting({16, 16});
  for (const int64_t side : {8, 16, 20}) {
    const std::vector<at::Tensor> expected = results_of(plain.unet, side),
                                  seen = results_of(expecting.unet, side);
    for (size_t i = 0; i < expected.size(); ++i)
      EXPECT_LT(relative_difference(seen[i], expected[i]), 1e-5) << side;
  }
}

TEST(UNetThatExpectsAMap, PreparesNothingForItsSmallOnes) {
  if (!compute_mode_on(at::kCPU, at::kFloat).cpu_kernels.packs_convolutions)
    GTEST_SKIP() << "this CPU computes by ATen";
  const int64_t all = LoadedUNet::expecting({}).prepared_bytes();
  const int64_t fine = LoadedUNet::expecting({16, 16}).prepared_bytes();  // the finest level alone
  EXPECT_LT(fine, all);
  EXPECT_GT(fine, 0);
  EXPECT_EQ(LoadedUNet::expecting({64, 64}).prepared_bytes(), all);
  EXPECT_EQ(LoadedUNet::expecting({8, 8}).prepared_bytes(), 0);
}

}  // namespace
}  // namespace sdlora::model
