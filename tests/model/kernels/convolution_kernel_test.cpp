#include "model/kernels/convolution_kernel.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/support/random_values.h"

namespace sdlora::model::kernels {
namespace {

struct ConvolutionShape {
  int64_t in, out, kernel_size, stride, padding;
};

// With products by ATen and by oneDNN.
class AnyConvolutionKernel : public testing::TestWithParam<std::tuple<bool, ConvolutionShape>> {};

TEST_P(AnyConvolutionKernel, ComputesWhatAtenComputesInBothDirections) {
  const auto& [by_onednn, shape] = GetParam();
  const at::Tensor weight = random_values({shape.out, shape.in, shape.kernel_size, shape.kernel_size}, 1);
  const at::Tensor bias = random_values({shape.out}, 2);
  const auto kernel = make_convolution_kernel(weight, bias, {shape.stride, shape.padding}, by_onednn);
  for (const auto& [batch, height, width] : {std::tuple{1, 9, 8}, std::tuple{2, 8, 8}, std::tuple{1, 9, 8}}) {
    const at::Tensor x = random_values({batch, shape.in, height, width}, 3).set_requires_grad(true);
    const at::Tensor expected = at::conv2d(x, weight, bias, shape.stride, shape.padding);
    const at::Tensor y = kernel->forward(x.detach());
    EXPECT_TRUE(at::allclose(y, expected, 1e-4, 1e-4)) << (y - expected).abs().max();
    EXPECT_TRUE(y.is_contiguous(at::MemoryFormat::ChannelsLast));

    const at::Tensor dy = random_values(y.sizes(), 4);
    expected.backward(dy);
    const at::Tensor dx = kernel->input_gradient(dy, x.sizes());
    EXPECT_TRUE(at::allclose(dx, x.grad(), 1e-4, 1e-4)) << (dx - x.grad()).abs().max();
  }
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, AnyConvolutionKernel,
    testing::Combine(testing::Bool(),
                     testing::Values(ConvolutionShape{4, 32, 3, 1, 1}, ConvolutionShape{32, 32, 3, 1, 1},
                                     ConvolutionShape{24, 40, 3, 2, 1}, ConvolutionShape{32, 16, 1, 1, 0},
                                     ConvolutionShape{20, 4, 3, 1, 1})));

class ConvolutionKernelInBfloat16 : public testing::TestWithParam<ConvolutionShape> {};

TEST_P(ConvolutionKernelInBfloat16, IsFp32sToTheRoundingOfItsNumbers) {
  if (!__builtin_cpu_supports("avx512bf16")) GTEST_SKIP() << "this CPU multiplies no bfloat16";
  const ConvolutionShape shape = GetParam();
  const auto rounded = [](const at::Tensor& x) { return x.to(at::kBFloat16).to(at::kFloat); };
  const at::Tensor weight =
                       rounded(random_values({shape.out, shape.in, shape.kernel_size, shape.kernel_size}, 1)),
                   bias = rounded(random_values({shape.out}, 2)),
                   x = rounded(random_values({2, shape.in, 9, 8}, 3));
  const auto fp32 = make_convolution_kernel(weight, bias, {shape.stride, shape.padding}, true);
  const auto bf16 = make_convolution_kernel(weight.to(at::kBFloat16), bias.to(at::kBFloat16),
                                            {shape.stride, shape.padding}, true);
  const auto error = [](const at::Tensor& a, const at::Tensor& b) {
    EXPECT_EQ(a.scalar_type(), at::kBFloat16);
    return ((a.to(at::kFloat) - b).norm() / b.norm()).item<double>();
  };
  const at::Tensor y = fp32->forward(x);
  EXPECT_LT(error(bf16->forward(x.to(at::kBFloat16)), y), 5e-3);
  const at::Tensor dy = rounded(random_values(y.sizes(), 4));
  EXPECT_LT(error(bf16->input_gradient(dy.to(at::kBFloat16), x.sizes()), fp32->input_gradient(dy, x.sizes())),
            5e-3);
}

INSTANTIATE_TEST_SUITE_P(Shapes, ConvolutionKernelInBfloat16,
                         testing::Values(ConvolutionShape{4, 32, 3, 1, 1}, ConvolutionShape{32, 48, 3, 1, 1},
                                         ConvolutionShape{24, 40, 3, 2, 1}, ConvolutionShape{32, 16, 1, 1, 0},
                                         ConvolutionShape{20, 4, 3, 1, 1}));

}  // namespace
}  // namespace sdlora::model::kernels
