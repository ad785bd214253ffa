#include "trainer/step/optimizer.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "common/error.h"
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

TEST(AdamW, CountsAsAChangeOfTheViewsOfItsParameters) {
  at::Tensor parameters = random_values({100}, 1);
  const at::Tensor view = parameters.narrow(0, 0, 10);
  const int64_t version = view._version();
  AdamW(kConfig, parameters).step(random_values({100}, 2), 1e-2);
  EXPECT_GT(view._version(), version);
}

TEST(AdamW, GoesOnFromItsSavedStateToTheBit) {
  at::Tensor straight = random_values({333}, 2);
  AdamW first(kConfig, straight);
  for (int t = 0; t < 5; ++t) first.step(random_values({333}, 10 + t), 1e-3);

  at::Tensor resumed = straight.clone();
  AdamW second(kConfig, resumed);
  checkpoint::NamedTensors saved;
  for (const auto& [name, tensor] : first.state()) saved[name] = tensor.clone();
  second.load(saved);
  for (int t = 5; t < 9; ++t) {
    first.step(random_values({333}, 10 + t), 1e-3);
    second.step(random_values({333}, 10 + t), 1e-3);
  }
  EXPECT_TRUE(at::equal(straight, resumed));
}

TEST(AdamW, RefusesTheStateOfAnotherAdapter) {
  at::Tensor parameters = random_values({10}, 3);
  AdamW optimizer(kConfig, parameters);
  at::Tensor others = random_values({11}, 3);
  EXPECT_THROW(optimizer.load(AdamW(kConfig, others).state()), Error);
}

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
