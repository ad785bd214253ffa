// DoRA's layers beside autograd, which takes the length of the merged weight's rows for a constant, too.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "lora/dora_convolution.h"
#include "lora/dora_projection.h"
#include "tests/support/random_values.h"
#include "tests/support/relative_error.h"

namespace sdlora::lora {
namespace {

constexpr int64_t kInOfDora = 6, kOutOfDora = 10, kRankOfDora = 4;
constexpr double kScaleOfDora = 0.25;

// A, B and m in one flat buffer, as the adapter has them.
struct DoraTensors {
  int64_t fan_in;
  at::Tensor weight, bias = random_values({kOutOfDora}, 2);
  int64_t count = kRankOfDora * (fan_in + kOutOfDora) + kOutOfDora;
  at::Tensor flat = random_values({count}, 3), gradients = at::zeros({count});
  Branch branch{.a = a_of(flat),
                .b = b_of(flat),
                .a_gradient = a_of(gradients),
                .b_gradient = b_of(gradients),
                .scale = kScaleOfDora};
  std::shared_ptr<Magnitude> magnitude = std::make_shared<Magnitude>(m_of(flat), m_of(gradients), weight);

  explicit DoraTensors(const at::Tensor& frozen) : fan_in(frozen[0].numel()), weight(frozen) {
    m_of(flat).mul_(1.3);
    branch.a.set_requires_grad(true);
  }

  at::Tensor a_of(const at::Tensor& all) const {
    return all.narrow(0, 0, kRankOfDora * fan_in).view({kRankOfDora, fan_in});
  }

  at::Tensor b_of(const at::Tensor& all) const {
    return all.narrow(0, kRankOfDora * fan_in, kOutOfDora * kRankOfDora).view({kOutOfDora, kRankOfDora});
  }

  at::Tensor m_of(const at::Tensor& all) const { return all.narrow(0, count - kOutOfDora, kOutOfDora); }

  // The parameters as leaves of a graph, and what they make of the weight [out, in]: of `kept` [r] ranks.
  struct Reference {
    at::Tensor a, b, m;

    at::Tensor merged(const at::Tensor& plain) const {
      const at::Tensor v = plain + kScaleOfDora * at::mm(b, a);
      return v * (m / v.norm(2, 1).detach()).unsqueeze(1);
    }
  };

  Reference reference() const {
    const auto leaf = [](const at::Tensor& values) {
      return values.detach().clone().set_requires_grad(true);
    };
    return {leaf(branch.a), leaf(branch.b), leaf(m_of(flat))};
  }

  void expect_gradients_of(const Reference& expected) const {
    EXPECT_LT(relative_error(branch.a_gradient, expected.a.grad()), 3e-6);
    EXPECT_LT(relative_error(branch.b_gradient, expected.b.grad()), 3e-6);
    EXPECT_LT(relative_error(m_of(gradients), expected.m.grad()), 3e-6);
  }
};

DoraProjection projection_of(const DoraTensors& tensors) {
  model::Linear linear;
  linear.weight = tensors.weight;
  linear.bias = tensors.bias;
  return {std::make_unique<model::FrozenProjection>(linear, false), tensors.branch, tensors.magnitude};
}

TEST(DoraProjection, WritesTheGradientsThatAutogradWouldFind) {
  const DoraTensors tensors(random_values({kOutOfDora, kInOfDora}, 1));
  const DoraProjection projection = projection_of(tensors);
  const at::Tensor x = random_values({2, 5, kInOfDora}, 5).set_requires_grad(true);
  const at::Tensor dy = random_values({2, 5, kOutOfDora}, 6);
  const at::Tensor y = projection.forward(x);
  y.backward(dy);

  const DoraTensors::Reference reference = tensors.reference();
  const at::Tensor x2 = x.detach().clone().set_requires_grad(true);
  const at::Tensor expected = at::linear(x2, reference.merged(tensors.weight), tensors.bias);
  expected.backward(dy);
  EXPECT_LT(relative_error(y, expected), 3e-6);
  EXPECT_LT(relative_error(x.grad(), x2.grad()), 3e-6);
  tensors.expect_gradients_of(reference);
}

TEST(DoraProjection, DropsOutOfTheBranchAlone) {
  DoraTensors tensors(random_values({kOutOfDora, kInOfDora}, 1));
  const auto dropout = std::make_shared<BranchDropout>(DropoutRates{.neuron = 0.3, .rank = 0.2});
  tensors.branch.dropout = dropout;
  const DoraProjection projection = projection_of(tensors);
  const at::Tensor x = random_values({2, 5, kInOfDora}, 5).set_requires_grad(true);
  const at::Tensor dy = random_values({2, 5, kOutOfDora}, 6);
  const DroppingOut dropping(*dropout, {11, 12});
  const at::Tensor y = projection.forward(x);
  y.backward(dy);

  const DoraTensors::Reference reference = tensors.reference();
  const at::Tensor x2 = x.detach().clone().set_requires_grad(true);
  const at::Tensor v = tensors.weight + kScaleOfDora * at::mm(reference.b, reference.a);
  const at::Tensor inner = at::matmul(x2, reference.a.t()) * dropout->draw(0, 5, kRankOfDora);
  const at::Tensor sum =
      at::matmul(x2, tensors.weight.t()) + kScaleOfDora * at::matmul(inner, reference.b.t());
  const at::Tensor expected = sum * (reference.m / v.norm(2, 1).detach()) + tensors.bias;
  expected.backward(dy);
  EXPECT_LT(relative_error(y, expected), 3e-6);
  EXPECT_LT(relative_error(x.grad(), x2.grad()), 3e-6);
  tensors.expect_gradients_of(reference);
}

TEST(DoraConvolution, WritesTheGradientsThatAutogradWouldFind) {
  for (const at::MemoryFormat format : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
    const DoraTensors tensors(random_values({kOutOfDora, kInOfDora, 3, 3}, 1).contiguous(format));
    model::Convolution frozen;
    frozen.weight = tensors.weight;
    frozen.bias = tensors.bias;
    frozen.in_channels = kInOfDora;
    frozen.kernel_size = 3;
    frozen.stride = 2;
    frozen.padding = 1;
    const DoraConvolution convolution(std::make_unique<model::FrozenConvolution>(frozen), tensors.branch,
                                      tensors.magnitude);
    const at::Tensor x = random_values({2, kInOfDora, 7, 5}, 5).contiguous(format).set_requires_grad(true);
    const at::Tensor y = convolution.forward(x);
    const at::Tensor dy = random_values(y.sizes(), 6).contiguous(format);
    y.backward(dy);

    const DoraTensors::Reference reference = tensors.reference();
    const at::Tensor x2 = x.detach().clone().set_requires_grad(true);
    const at::Tensor merged = reference.merged(tensors.weight.flatten(1)).view(tensors.weight.sizes());
    const at::Tensor expected = at::conv2d(x2, merged, tensors.bias, 2, 1);
    expected.backward(dy);
    EXPECT_LT(relative_error(y, expected), 3e-6);
    EXPECT_LT(relative_error(x.grad(), x2.grad()), 3e-6);
    tensors.expect_gradients_of(reference);
  }
}

}  // namespace
}  // namespace sdlora::lora
