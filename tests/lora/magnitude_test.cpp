#include "lora/magnitude.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "lora/dora_projection.h"
#include "tests/support/random_values.h"
#include "tests/support/relative_error.h"

namespace sdlora::lora {
namespace {

// kohya.md 5.7: W = [[3, 0, 4], [0, 2, 0]], A = [1, 0, 1], B = [.5, -.5], m = ‖W‖ = (5, 2).
struct WorkedExample {
  at::Tensor weight = at::tensor({3.0F, 0.0F, 4.0F, 0.0F, 2.0F, 0.0F}).view({2, 3});
  at::Tensor flat = at::zeros({7}), gradients = at::zeros({7});
  Branch branch{.a = flat.narrow(0, 0, 3).view({1, 3}),
                .b = flat.narrow(0, 3, 2).view({2, 1}),
                .a_gradient = gradients.narrow(0, 0, 3).view({1, 3}),
                .b_gradient = gradients.narrow(0, 3, 2).view({2, 1}),
                .scale = 1};
  std::shared_ptr<Magnitude> magnitude =
      std::make_shared<Magnitude>(flat.narrow(0, 5, 2), gradients.narrow(0, 5, 2), weight);

  WorkedExample() {
    branch.a.copy_(at::tensor({1.0F, 0.0F, 1.0F}).view({1, 3}));
    branch.b.copy_(at::tensor({0.5F, -0.5F}).view({2, 1}));
  }

  DoraProjection projection() {
    branch.a.set_requires_grad(true);
    model::Linear linear;
    linear.weight = weight;
    return {std::make_unique<model::FrozenProjection>(linear, false), branch, magnitude};
  }
};

void expect_close(const at::Tensor& seen, const at::Tensor& expected) {
  EXPECT_LT((seen - expected.view(seen.sizes())).abs().max().item<double>(), 1e-6) << seen;
}

TEST(Magnitude, BeginsAtTheLengthOfTheWeightsRows) {
  expect_close(WorkedExample().flat.narrow(0, 5, 2), at::tensor({5.0F, 2.0F}));
}

TEST(Magnitude, HasTheWorkedNumbers) {
  WorkedExample example;
  const DoraProjection projection = example.projection();
  const at::Tensor y = projection.forward(at::eye(3));  // the merged weight, transposed
  expect_close(y.detach().t(),
               at::tensor({3.0697031F, 0.0F, 3.9467611F, -0.4714046F, 1.8856182F, -0.4714046F}));
  y.backward(at::tensor({1.0F, 2.0F, 3.0F, 1.0F, 1.0F, 1.0F}).view({2, 3}).t().contiguous());
  expect_close(example.branch.b_gradient, at::tensor({3.5082321F, 1.8856182F}));
  expect_close(example.gradients.narrow(0, 5, 2), at::tensor({2.9819970F, 0.4714046F}));
}

TEST(Magnitude, LeavesARowOfZerosAsItIs) {
  WorkedExample example;
  example.weight[1].zero_();
  at::Tensor flat = at::zeros({7}), gradients = at::zeros({7});
  const auto magnitude =
      std::make_shared<Magnitude>(flat.narrow(0, 5, 2), gradients.narrow(0, 5, 2), example.weight);
  example.branch.b.zero_();
  expect_close(magnitude->gain(example.branch), at::ones({2}));
  magnitude->add_gradient(at::ones({3, 2}), at::zeros({3, 2}), /*bias=*/{});
  expect_close(gradients.narrow(0, 5, 2), at::zeros({2}));
}

TEST(Magnitude, IsSetSoThatALoraKeepsItsFunction) {
  WorkedExample example;
  example.magnitude->set_to_length(example.branch);
  expect_close(example.magnitude->gain(example.branch), at::ones({2}));
}

}  // namespace
}  // namespace sdlora::lora
