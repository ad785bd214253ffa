#include "trainer/optimizers/gradient_clipping.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/support/random_values.h"

namespace sdlora::trainer {
namespace {

TEST(GradientClipping, CutsAHugeGradientToTheMaximum) {
  at::Tensor gradients = random_values({5000}, 4) * 1e6;
  const double norm = gradients.to(at::kDouble).norm().item<double>();
  EXPECT_NEAR(clip_gradient_norm(gradients, 1.0) / norm, 1, 1e-12);
  EXPECT_NEAR(gradients.norm().item<double>(), 1.0, 1e-5);
}

TEST(GradientClipping, LeavesASmallGradientAndMaximumZeroAlone) {
  at::Tensor gradients = random_values({50}, 5) * 1e-3;
  const at::Tensor before = gradients.clone();
  clip_gradient_norm(gradients, 1.0);
  EXPECT_TRUE(at::equal(gradients, before));
  gradients.mul_(1e9);
  const at::Tensor huge = gradients.clone();
  clip_gradient_norm(gradients, 0);
  EXPECT_TRUE(at::equal(gradients, huge));
}

}  // namespace
}  // namespace sdlora::trainer
