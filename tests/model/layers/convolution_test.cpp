#include "model/layers/convolution.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/support/random_values.h"

namespace sdlora::model {
namespace {

class ConvolutionOfShapes : public testing::TestWithParam<std::tuple<int64_t, int64_t, int64_t>> {};

TEST_P(ConvolutionOfShapes, HasTheInputGradientOfAtensOwn) {
  const auto [kernel_size, stride, padding] = GetParam();
  Convolution layer;
  layer.weight = random_values({6, 4, kernel_size, kernel_size}, 1);
  layer.bias = random_values({6}, 2);
  layer.stride = stride;
  layer.padding = padding;
  const at::Tensor x = random_values({2, 4, 9, 7}, 3).set_requires_grad(true);
  const at::Tensor x2 = x.detach().clone().set_requires_grad(true);
  const at::Tensor y = layer.forward(x), y2 = at::conv2d(x2, layer.weight, layer.bias, stride, padding);
  EXPECT_TRUE(at::equal(y, y2));
  const at::Tensor dy = random_values(y.sizes(), 4);
  y.backward(dy);
  y2.backward(dy);
  EXPECT_TRUE(at::allclose(x.grad(), x2.grad(), 1e-6, 1e-6));
}

INSTANTIATE_TEST_SUITE_P(Shapes, ConvolutionOfShapes,
                         testing::Values(std::tuple{3, 1, 1}, std::tuple{3, 2, 1}, std::tuple{1, 1, 0},
                                         std::tuple{3, 2, 0}));

}  // namespace
}  // namespace sdlora::model
