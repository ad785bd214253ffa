#include "model/kernels/patch_convolution.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "model/kernels/winograd_convolution.h"
#include "tests/support/random_values.h"

namespace sdlora::model::kernels {
namespace {

struct MapShape {
  int64_t in, out, batch, height, width;
};

double error_in_norm(const at::Tensor& a, const at::Tensor& exact) {
  return ((a.to(at::kDouble) - exact).norm() / exact.norm()).item<double>();
}

class PatchConvolutionOf : public testing::TestWithParam<MapShape> {
 protected:
  // Both directions against ATen's in double precision, of numbers that `dtype` has.
  void expect_exact(at::ScalarType dtype, double tolerance) const {
    const MapShape shape = GetParam();
    const auto values = [&](at::IntArrayRef sizes, uint64_t seed) {
      return random_values(sizes, seed).to(dtype);
    };
    const at::Tensor weight = values({shape.out, shape.in, 3, 3}, 1), bias = values({shape.out}, 2);
    const at::Tensor x = values({shape.batch, shape.in, shape.height, shape.width}, 3);
    const at::Tensor dy = values({shape.batch, shape.out, shape.height, shape.width}, 4);
    const at::Tensor exact_x = x.to(at::kDouble).set_requires_grad(true);
    const at::Tensor exact = at::conv2d(exact_x, weight.to(at::kDouble), bias.to(at::kDouble), 1, 1);
    exact.backward(dy.to(at::kDouble));

    PatchConvolution kernel(weight, bias);
    const at::Tensor y = kernel.forward(x), dx = kernel.input_gradient(dy, x.sizes());
    EXPECT_LT(error_in_norm(y, exact.detach()), tolerance);
    EXPECT_LT(error_in_norm(dx, exact_x.grad()), tolerance);
    for (const at::Tensor& result : {y, dx}) {
      EXPECT_EQ(result.scalar_type(), dtype);
      EXPECT_TRUE(result.is_contiguous(at::MemoryFormat::ChannelsLast));
    }
  }
};

TEST_P(PatchConvolutionOf, IsAtensInDoublePrecision) {
  expect_exact(at::kFloat, 1e-6);
}

TEST_P(PatchConvolutionOf, IsAtensInBfloat16) {
  if (!__builtin_cpu_supports("avx512bf16")) GTEST_SKIP() << "this CPU multiplies no bfloat16";
  expect_exact(at::kBFloat16, 4e-3);
}

INSTANTIATE_TEST_SUITE_P(Shapes, PatchConvolutionOf,
                         testing::Values(MapShape{32, 48, 1, 1, 1}, MapShape{32, 48, 3, 3, 5},
                                         MapShape{48, 32, 3, 8, 8}, MapShape{20, 19, 1, 5, 3},
                                         MapShape{64, 160, 1, 8, 8}, MapShape{64, 32, 5, 9, 10},
                                         MapShape{32, 32, 2, 20, 17}));

TEST(ConvolutionKernel, IsAProductOfThePlainWeightWhereMapsAreSmall) {
  const at::Tensor own = random_values({32, 48, 3, 3}, 1), bias = random_values({32}, 2);
  const at::Tensor weight = at::from_blob(own.data_ptr(), own.sizes(), own.scalar_type());  // as of a file
  const auto kernel_for = [&](int64_t cells, PreparedWeights& prepared) {
    return make_convolution_kernel(weight, bias, {.stride = 1, .padding = 1, .expected_cells = cells},
                                   /*by_onednn=*/false, &prepared);
  };
  for (const int64_t small : {1, 64}) {
    PreparedWeights prepared;
    const auto kernel = kernel_for(small, prepared);
    EXPECT_NE(dynamic_cast<PatchConvolution*>(kernel.get()), nullptr);
    EXPECT_EQ(prepared.byte_count(), 0);
    EXPECT_EQ(weight.storage().use_count(), 2) << "it is neither copied nor let go";
  }
  for (const int64_t other : {0, 65}) {  // unknown, and large
    PreparedWeights prepared;
    EXPECT_NE(dynamic_cast<WinogradConvolution*>(kernel_for(other, prepared).get()), nullptr);
    EXPECT_GT(prepared.byte_count(), weight.nbytes());
  }
}

TEST(PatchConvolution, SharesAWeightThatIsInMemoryOfItsOwn) {
  at::Tensor weight = random_values({32, 48, 3, 3}, 1);
  const at::Tensor bias = random_values({32}, 2), x = random_values({1, 48, 4, 4}, 3);
  const at::Tensor expected = PatchConvolution(weight, bias).forward(x);
  PreparedWeights prepared;
  PatchConvolution kernel(weight, bias, &prepared);
  const auto bytes = static_cast<int64_t>(weight.nbytes());
  ASSERT_EQ(prepared.byte_count(), bytes);
  const at::Tensor memory = at::empty({bytes}, at::kByte);
  prepared.move_to({memory.data_ptr(), [memory](void*) {}}, /*sharer=*/0, /*sharers=*/1);
  EXPECT_EQ(weight.storage().use_count(), 1) << "it is let go";
  EXPECT_TRUE(at::equal(kernel.forward(x), expected));
}

TEST(PatchConvolution, RefusesActivationsOfAnotherType) {
  PatchConvolution kernel(random_values({32, 32, 3, 3}, 1), random_values({32}, 2));
  EXPECT_THROW(kernel.forward(at::ones({1, 32, 8, 8}, at::kBFloat16)), c10::Error);
}

}  // namespace
}  // namespace sdlora::model::kernels
