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
  const at::Tensor bias = at::tensor({0.0F, 0.1F}), dy = random_values({4096, 2}, 1) * 1e-4;
  const at::Tensor y = at::zeros({4096, 2}) + bias;
  magnitude->add_gradient(dy, y, bias);  // its terms cancel but for rounding
  expect_close(gradients.narrow(0, 5, 2), at::zeros({2}));
}

TEST(Magnitude, OfAFileThatIsZeroStaysAndHasNoGradient) {
  WorkedExample example;
  example.flat.narrow(0, 5, 2).zero_();
  expect_close(example.magnitude->gain(example.branch), at::zeros({2}));
  example.magnitude->add_gradient(at::ones({3, 2}), at::ones({3, 2}), /*bias=*/{});
  expect_close(example.gradients.narrow(0, 5, 2), at::zeros({2}));
}

TEST(Magnitude, SumsProductsThatHalfPrecisionHasNoNumbersFor) {
  WorkedExample example;
  const at::Tensor large = at::full({3, 2}, 6000.0F, at::kHalf);
  example.magnitude->add_gradient(large, at::full({3, 2}, 20.0F, at::kHalf), /*bias=*/{});
  EXPECT_EQ(example.gradients[5].item<float>(), 3 * 6000.0F * 20.0F / 5);
}

// bfloat16 has no number between 1 and 1.0078: a gain that was rounded to it would be 1, and a product that
// was rounded to it before the branch is added is y again.
TEST(Magnitude, IsRoundedTo16BitsOnceTheBranchIsAdded) {
  const at::Tensor y = (random_values({512, 64}, 1) * 3).to(at::kBFloat16),
                   bias = at::ones({64}, at::kBFloat16);
  const at::Tensor part = (random_values({512, 64}, 2) * 0.1).to(at::kBFloat16),
                   gain = at::full({64}, 1.003F);
  const at::Tensor seen = with_gain_and_branch(y, gain, bias, part, 0.5);
  EXPECT_EQ(seen.scalar_type(), at::kBFloat16);
  const at::Tensor exact = (y.to(at::kDouble) - 1) * 1.003 + 0.5 * part.to(at::kDouble) + 1;
  const at::Tensor error = (seen.to(at::kDouble) - exact).abs();
  EXPECT_TRUE((error <= exact.abs() / 256 + 1e-6).all().item<bool>());  // half of the last place, or fp32's
  const at::Tensor rounded_twice =
      (y * gain.to(at::kBFloat16) + bias * (1 - gain.to(at::kBFloat16))) + part * 0.5;
  const auto mean_error = [&](const at::Tensor& values) {
    return (values.to(at::kDouble) - exact).square().mean().item<double>();
  };
  EXPECT_LT(mean_error(seen), 0.6 * mean_error(rounded_twice));
}

TEST(Magnitude, IsSetSoThatALoraKeepsItsFunction) {
  WorkedExample example;
  example.magnitude->set_to_length(example.branch);
  expect_close(example.magnitude->gain(example.branch), at::ones({2}));
}

}  // namespace
}  // namespace sdlora::lora
