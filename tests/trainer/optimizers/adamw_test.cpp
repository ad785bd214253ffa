#include "trainer/optimizers/adamw.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/support/random_values.h"

namespace sdlora::trainer {
namespace {

constexpr AdamWConfig kConfig{.beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .weight_decay = 0.01};

TEST(AdamW, FollowsAlgorithm2OfLoshchilovAndHutter) {
  at::Tensor parameters = random_values({1000}, 1);
  at::Tensor reference = parameters.to(at::kDouble, false, true);
  at::Tensor m = at::zeros_like(reference), v = at::zeros_like(reference);
  AdamW optimizer(kConfig, parameters);
  for (int t = 1; t <= 50; ++t) {
    const at::Tensor gradient = random_values({1000}, 100 + t) * 1e-3;
    optimizer.step(gradient, 1e-2);
    const at::Tensor g = gradient.to(at::kDouble);
    reference.mul_(1 - 1e-2 * 0.01);
    m.mul_(0.9).add_(g, 0.1);
    v.mul_(0.999).addcmul_(g, g, 0.001);
    const at::Tensor m_hat = m / (1 - std::pow(0.9, t)), v_hat = v / (1 - std::pow(0.999, t));
    reference.sub_(1e-2 * m_hat / (v_hat.sqrt() + 1e-8));
  }
  EXPECT_LT(((parameters - reference).norm() / reference.norm()).item<double>(), 1e-6);
}

}  // namespace
}  // namespace sdlora::trainer
