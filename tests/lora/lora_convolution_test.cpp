#include "lora/lora_convolution.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include "tests/support/random_values.h"
#include "tests/support/relative_error.h"

namespace sdlora::lora {
namespace {

constexpr int64_t kInputChannels = 6, kOutChannels = 10, kConvolutionRank = 4;
constexpr double kConvolutionScale = 0.25;

// One of the UNet's: 3×3, with stride 2 as in a downsampler, or 1×1.
struct ConvolutionLayer {
  int64_t kernel_size = 3, stride = 1, padding = 1;
  at::Tensor weight = random_values({kOutChannels, kInputChannels, kernel_size, kernel_size}, 1);
  at::Tensor bias = random_values({kOutChannels}, 2);
  int64_t fan_in = kInputChannels * kernel_size * kernel_size;
  Branch branch{.a = random_values({kConvolutionRank, fan_in}, 3),
                .b = random_values({kOutChannels, kConvolutionRank}, 4),
                .a_gradient = at::zeros({kConvolutionRank, fan_in}),
                .b_gradient = at::zeros({kOutChannels, kConvolutionRank}),
                .scale = kConvolutionScale};

  LoraConvolution convolution(at::ScalarType dtype = at::kFloat) {
    branch.a.set_requires_grad(true);
    model::Convolution frozen;
    frozen.weight = weight.to(dtype);
    frozen.bias = bias.to(dtype);
    frozen.in_channels = kInputChannels;
    frozen.kernel_size = kernel_size;
    frozen.stride = stride;
    frozen.padding = padding;
    return {std::make_unique<model::FrozenConvolution>(frozen), branch};
  }

  // (W + s B A) * x + b
  at::Tensor merged(const at::Tensor& x, const at::Tensor& a, const at::Tensor& b) const {
    return at::conv2d(x, weight + kConvolutionScale * at::mm(b, a).view(weight.sizes()), bias, stride,
                      padding);
  }

  void expect_gradients_of_autograd(const at::Tensor& input) {
    const LoraConvolution layer = convolution();
    const at::Tensor x = input.clone().set_requires_grad(true);
    const at::Tensor y = layer.forward(x);
    const at::Tensor dy = random_values(y.sizes(), 6).contiguous(input.suggest_memory_format());
    y.backward(dy);
    const at::Tensor x2 = input.clone().set_requires_grad(true);
    const at::Tensor a = branch.a.detach().clone().set_requires_grad(true);
    const at::Tensor b = branch.b.detach().clone().set_requires_grad(true);
    merged(x2, a, b).backward(dy);
    EXPECT_LT(relative_error(branch.a_gradient, a.grad()), 2e-6);
    EXPECT_LT(relative_error(branch.b_gradient, b.grad()), 2e-6);
    EXPECT_LT(relative_error(x.grad(), x2.grad()), 2e-6);
    EXPECT_FALSE(branch.a.grad().defined()) << "the gradient belongs in the flat buffer only";
  }
};

const ConvolutionLayer kDownsampler{.stride = 2};
const ConvolutionLayer kShortcut{.kernel_size = 1, .padding = 0};

TEST(LoraConvolution, ComputesAsTheMergedWeightWould) {
  const c10::NoGradGuard no_gradients;
  const at::Tensor x = random_values({2, kInputChannels, 5, 7}, 5);
  for (ConvolutionLayer layer : {ConvolutionLayer{}, kDownsampler, kShortcut})
    for (const at::MemoryFormat format : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast})
      EXPECT_LT(relative_error(layer.convolution().forward(x.contiguous(format)),
                               layer.merged(x, layer.branch.a, layer.branch.b)),
                2e-6)
          << layer.kernel_size << " " << layer.stride;
}

TEST(LoraConvolution, WritesTheGradientsThatAutogradWouldFind) {
  const at::Tensor x = random_values({2, kInputChannels, 5, 7}, 5);
  for (const ConvolutionLayer& layer : {ConvolutionLayer{}, kDownsampler, kShortcut})
    for (const at::MemoryFormat format : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
      ConvolutionLayer mine = layer;
      mine.branch.a_gradient = at::zeros_like(layer.branch.a_gradient);
      mine.branch.b_gradient = at::zeros_like(layer.branch.b_gradient);
      mine.expect_gradients_of_autograd(x.contiguous(format));
    }
}

TEST(LoraConvolution, RefusesABackwardAfterAnUpdate) {
  ConvolutionLayer layer;
  const LoraConvolution convolution = layer.convolution();
  const at::Tensor y = convolution.forward(random_values({1, kInputChannels, 4, 4}, 5));
  layer.branch.b.mul_(1.5);
  EXPECT_THROW(y.backward(random_values(y.sizes(), 6)), c10::Error);
}

TEST(LoraConvolution, TrainsAlsoWhereTheInputWantsNoGradient) {
  ConvolutionLayer layer;
  const LoraConvolution convolution = layer.convolution();
  convolution.forward(random_values({1, kInputChannels, 4, 4}, 5)).sum().backward();
  EXPECT_GT(layer.branch.a_gradient.norm().item<double>(), 0);
}

TEST(LoraConvolution, KeepsFp32GradientsWhenTheModelComputesInBf16) {
  ConvolutionLayer fp32, bf16;
  const at::Tensor x = random_values({2, kInputChannels, 8, 8}, 5),
                   dy = random_values({2, kOutChannels, 8, 8}, 6);
  const LoraConvolution exact = fp32.convolution(), rounded = bf16.convolution(at::kBFloat16);
  exact.forward(x).backward(dy);
  rounded.forward(x.to(at::kBFloat16)).backward(dy.to(at::kBFloat16));
  EXPECT_EQ(bf16.branch.a_gradient.scalar_type(), at::kFloat);
  EXPECT_LT(relative_error(bf16.branch.a_gradient, fp32.branch.a_gradient), 0.02);
  EXPECT_LT(relative_error(bf16.branch.b_gradient, fp32.branch.b_gradient), 0.02);
}

TEST(LoraConvolution, LeavesOutOfForwardAndBackwardWhatDropoutDraws) {
  ConvolutionLayer layer;
  const auto dropout = std::make_shared<BranchDropout>(DropoutRates{.neuron = 0.3, .rank = 0.3});
  layer.branch.dropout = dropout;
  const LoraConvolution convolution = layer.convolution();
  const at::Tensor x = random_values({2, kInputChannels, 5, 7}, 5).set_requires_grad(true);
  const at::Tensor dy = random_values({2, kOutChannels, 5, 7}, 6);
  at::Tensor y, factors;
  {
    const DroppingOut dropping(*dropout, {11, 12});
    y = convolution.forward(x);
    factors = dropout->draw(/*module=*/0, 35, kConvolutionRank)
                  .view({2, 5, 7, kConvolutionRank})
                  .permute({0, 3, 1, 2});
  }
  y.backward(dy);

  const at::Tensor x2 = x.detach().clone().set_requires_grad(true);
  const at::Tensor a = layer.branch.a.detach().clone().set_requires_grad(true);
  const at::Tensor b = layer.branch.b.detach().clone().set_requires_grad(true);
  const at::Tensor inner =
      at::conv2d(x2, a.view({kConvolutionRank, kInputChannels, 3, 3}), {}, 1, 1) * factors;
  const at::Tensor expected =
      at::conv2d(x2, layer.weight, layer.bias, 1, 1) +
      kConvolutionScale * at::conv2d(inner, b.view({kOutChannels, kConvolutionRank, 1, 1}));
  expected.backward(dy);
  EXPECT_LT(relative_error(y.detach(), expected.detach()), 2e-6);
  EXPECT_LT(relative_error(layer.branch.a_gradient, a.grad()), 2e-6);
  EXPECT_LT(relative_error(layer.branch.b_gradient, b.grad()), 2e-6);
  EXPECT_LT(relative_error(x.grad(), x2.grad()), 2e-6);
}

}  // namespace
}  // namespace sdlora::lora
