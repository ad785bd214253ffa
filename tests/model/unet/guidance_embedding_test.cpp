#include "model/unet/guidance_embedding.h"

#include <cmath>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace sdlora::model {
namespace {

TEST(GuidanceEmbedding, IsSinesThenCosinesOfFallingFrequencies) {
  const at::Tensor embedding = guidance_embedding(1.002, 4);  // 1,000 (1.002 - 1) = 2; frequencies 1 and 1e-4
  ASSERT_EQ(embedding.sizes(), (at::IntArrayRef{1, 4}));
  const double expected[] = {std::sin(2), std::sin(2e-4), std::cos(2), std::cos(2e-4)};
  for (int64_t i = 0; i < 4; ++i) EXPECT_NEAR(embedding[0][i].item<double>(), expected[i], 1e-6) << i;
}

TEST(GuidanceEmbedding, EndsWithZeroWhereTheWidthIsOdd) {
  const at::Tensor embedding = guidance_embedding(7.5, 9);
  ASSERT_EQ(embedding.size(1), 9);
  EXPECT_EQ(embedding[0][8].item<float>(), 0);
}

}  // namespace
}  // namespace sdlora::model
