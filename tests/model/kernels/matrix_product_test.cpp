#include "model/kernels/matrix_product.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "common/seeds.h"
#include "model/kernels/cpu_kernels.h"

namespace sdlora::model::kernels {
namespace {

TEST(MatrixProduct, IsTheSameByOneDnnAndByAten) {
  const auto random_values = [](at::IntArrayRef shape, uint64_t seed) {
    return at::randn(shape, generator_for(seed), at::kFloat);
  };
  const at::Tensor x = random_values({33, 48}, 1), weight = random_values({20, 48}, 2),
                   bias = random_values({20}, 3);
  const at::Tensor y = matrix_product(x, weight.t(), bias, /*by_onednn=*/true);
  EXPECT_TRUE(at::allclose(y, matrix_product(x, weight.t(), bias, /*by_onednn=*/false), 1e-5, 1e-5));
  EXPECT_TRUE(at::allclose(matrix_product(y, weight, {}, true), at::mm(y, weight), 1e-4, 1e-4));
}

TEST(CpuKernels, AreAtensWhereTheModelIsNotFp32OnTheCpu) {
  const std::string aten = describe({});
  EXPECT_EQ(describe(choose_cpu_kernels("aten", at::kCPU, at::kFloat)), aten);
  EXPECT_EQ(describe(choose_cpu_kernels("onednn", at::kCUDA, at::kFloat)), aten);
  EXPECT_EQ(describe(choose_cpu_kernels("auto", at::kCPU, at::kBFloat16)), aten);
  EXPECT_NE(describe(choose_cpu_kernels("onednn", at::kCPU, at::kFloat)), aten);
}

}  // namespace
}  // namespace sdlora::model::kernels
