#include "lora/lora_projection.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include "tests/support/random_values.h"

namespace sdlora::lora {
namespace {

constexpr int64_t kInFeatures = 12, kOutFeatures = 20, kLoraRank = 4;
constexpr double kScale = 0.25;

struct Layer {
  at::Tensor weight = random_values({kOutFeatures, kInFeatures}, 1), bias = random_values({kOutFeatures}, 2);
  Branch tensors{.a = random_values({kLoraRank, kInFeatures}, 3),
                 .b = random_values({kOutFeatures, kLoraRank}, 4),
                 .a_gradient = at::zeros({kLoraRank, kInFeatures}),
                 .b_gradient = at::zeros({kOutFeatures, kLoraRank}),
                 .scale = kScale};

  LoraProjection projection(at::ScalarType dtype = at::kFloat) {
    tensors.a.set_requires_grad(true);
    model::Linear linear;
    linear.weight = weight.to(dtype);
    linear.bias = bias.to(dtype);
    return {std::make_unique<model::FrozenProjection>(linear, false), tensors};
  }
};

double relative_error(const at::Tensor& ours, const at::Tensor& reference) {
  return ((ours.to(at::kDouble) - reference.to(at::kDouble)).norm() / reference.to(at::kDouble).norm())
      .item<double>();
}

TEST(LoraProjection, AddsTheScaledLowRankBranch) {
  Layer layer;
  const LoraProjection projection = layer.projection();
  const at::Tensor x = random_values({2, 5, kInFeatures}, 5);
  const at::Tensor expected =
      at::matmul(x, (layer.weight + kScale * at::mm(layer.tensors.b, layer.tensors.a)).t()) + layer.bias;
  EXPECT_LT(relative_error(projection.forward(x).detach(), expected.detach()), 1e-6);
  const c10::NoGradGuard no_gradients;
  EXPECT_LT(relative_error(projection.forward(x), expected), 1e-6);
}

TEST(LoraProjection, WritesTheGradientsThatAutogradWouldFind) {
  Layer layer;
  const LoraProjection projection = layer.projection();
  const at::Tensor x = random_values({2, 5, kInFeatures}, 5).set_requires_grad(true);
  const at::Tensor dy = random_values({2, 5, kOutFeatures}, 6);
  projection.forward(x).backward(dy);

  const at::Tensor a = layer.tensors.a.detach().clone().set_requires_grad(true);
  const at::Tensor b = layer.tensors.b.detach().clone().set_requires_grad(true);
  const at::Tensor x2 = x.detach().clone().set_requires_grad(true);
  const at::Tensor y2 =
      at::linear(x2, layer.weight, layer.bias) + kScale * at::matmul(at::matmul(x2, a.t()), b.t());
  y2.backward(dy);
  EXPECT_LT(relative_error(layer.tensors.a_gradient, a.grad()), 1e-6);
  EXPECT_LT(relative_error(layer.tensors.b_gradient, b.grad()), 1e-6);
  EXPECT_LT(relative_error(x.grad(), x2.grad()), 1e-6);
  EXPECT_FALSE(layer.tensors.a.grad().defined()) << "the gradient belongs in the flat buffer only";
}

TEST(LoraProjection, AddsUpTheGradientsOfSeveralBackwards) {
  Layer layer;
  const LoraProjection projection = layer.projection();
  const at::Tensor x = random_values({3, kInFeatures}, 5), dy = random_values({3, kOutFeatures}, 6);
  projection.forward(x).backward(dy);
  const at::Tensor once = layer.tensors.b_gradient.clone();
  projection.forward(x).backward(dy);
  EXPECT_LT(relative_error(layer.tensors.b_gradient, 2 * once), 1e-6);
}

TEST(LoraProjection, SeesAnUpdateOfTheFlatBufferThatItsTensorsAreViewsOf) {
  Layer layer;
  at::Tensor flat = random_values({kLoraRank * kInFeatures + kOutFeatures * kLoraRank}, 7);
  layer.tensors.a = flat.narrow(0, 0, kLoraRank * kInFeatures).view({kLoraRank, kInFeatures});
  layer.tensors.b =
      flat.narrow(0, kLoraRank * kInFeatures, kOutFeatures * kLoraRank).view({kOutFeatures, kLoraRank});
  const LoraProjection projection = layer.projection();
  const at::Tensor x = random_values({3, kInFeatures}, 5);
  const at::Tensor before = projection.forward(x).detach();
  flat.mul_(1.5);
  const at::Tensor after = projection.forward(x).detach();
  const at::Tensor expected =
      at::matmul(x, (layer.weight + kScale * at::mm(layer.tensors.b, layer.tensors.a.detach())).t()) +
      layer.bias;
  EXPECT_GT(relative_error(after, before), 1e-2);
  EXPECT_LT(relative_error(after, expected), 1e-6);
}

TEST(LoraProjection, RefusesABackwardAfterAnUpdate) {
  Layer layer;
  const LoraProjection projection = layer.projection();
  const at::Tensor y = projection.forward(random_values({3, kInFeatures}, 5));
  layer.tensors.b.mul_(1.5);
  EXPECT_THROW(y.backward(random_values({3, kOutFeatures}, 6)), c10::Error);
}

TEST(LoraProjection, LeavesOutOfForwardAndBackwardWhatDropoutDraws) {
  Layer layer;
  const auto dropout =
      std::make_shared<BranchDropout>(DropoutRates{.neuron = 0.3, .rank = 0.3, .module = 0.2});
  layer.tensors.dropout = dropout;
  layer.tensors.module = 3;
  const LoraProjection projection = layer.projection();
  const at::Tensor x = random_values({4, 5, kInFeatures}, 5).set_requires_grad(true);
  const at::Tensor dy = random_values({4, 5, kOutFeatures}, 6);
  at::Tensor y, factors;
  {
    const DroppingOut dropping(*dropout, {11, 12, 13, 14});
    y = projection.forward(x);
    factors = dropout->draw(/*module=*/3, 5, kLoraRank);
  }
  y.backward(dy);

  const at::Tensor a = layer.tensors.a.detach().clone().set_requires_grad(true);
  const at::Tensor b = layer.tensors.b.detach().clone().set_requires_grad(true);
  const at::Tensor x2 = x.detach().clone().set_requires_grad(true);
  const at::Tensor y2 =
      at::linear(x2, layer.weight, layer.bias) + kScale * at::matmul(at::matmul(x2, a.t()) * factors, b.t());
  y2.backward(dy);
  EXPECT_LT(relative_error(y.detach(), y2.detach()), 1e-6);
  EXPECT_LT(relative_error(layer.tensors.a_gradient, a.grad()), 1e-6);
  EXPECT_LT(relative_error(layer.tensors.b_gradient, b.grad()), 1e-6);
  EXPECT_LT(relative_error(x.grad(), x2.grad()), 1e-6);
}

TEST(LoraProjection, DropsTheSameInBf16) {
  Layer fp32, bf16;
  const auto dropout = std::make_shared<BranchDropout>(DropoutRates{.neuron = 0.3, .rank = 0.3});
  fp32.tensors.dropout = bf16.tensors.dropout = dropout;
  const LoraProjection exact = fp32.projection(), rounded = bf16.projection(at::kBFloat16);
  const at::Tensor x = random_values({4, 16, kInFeatures}, 5), dy = random_values({4, 16, kOutFeatures}, 6);
  const DroppingOut dropping(*dropout, {11, 12, 13, 14});
  exact.forward(x).backward(dy);
  rounded.forward(x.to(at::kBFloat16)).backward(dy.to(at::kBFloat16));
  EXPECT_LT(relative_error(bf16.tensors.a_gradient, fp32.tensors.a_gradient), 0.02);
  EXPECT_LT(relative_error(bf16.tensors.b_gradient, fp32.tensors.b_gradient), 0.02);
}

TEST(LoraProjection, TrainsAlsoWhereTheInputWantsNoGradient) {
  Layer layer;
  layer.projection()
      .forward(random_values({3, kInFeatures}, 5))
      .backward(random_values({3, kOutFeatures}, 6));
  EXPECT_GT(layer.tensors.a_gradient.norm().item<double>(), 0);
}

TEST(LoraProjection, KeepsFp32GradientsWhenTheModelComputesInBf16) {
  Layer fp32, bf16;
  const at::Tensor x = random_values({64, kInFeatures}, 5), dy = random_values({64, kOutFeatures}, 6);
  fp32.projection().forward(x).backward(dy);
  bf16.projection(at::kBFloat16).forward(x.to(at::kBFloat16)).backward(dy.to(at::kBFloat16));
  EXPECT_EQ(bf16.tensors.a_gradient.scalar_type(), at::kFloat);
  EXPECT_LT(relative_error(bf16.tensors.a_gradient, fp32.tensors.a_gradient), 0.02);
  EXPECT_LT(relative_error(bf16.tensors.b_gradient, fp32.tensors.b_gradient), 0.02);
}

}  // namespace
}  // namespace sdlora::lora
