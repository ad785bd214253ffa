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

TEST(MatrixProduct, TakesBfloat16AndAddsInFp32) {
  if (!__builtin_cpu_supports("avx512bf16")) GTEST_SKIP() << "this CPU multiplies no bfloat16";
  const auto random_values = [](at::IntArrayRef shape, uint64_t seed) {
    return at::randn(shape, generator_for(seed), at::kFloat).to(at::kBFloat16);
  };
  const at::Tensor x = random_values({33, 500}, 1), weight = random_values({20, 500}, 2),
                   bias = random_values({20}, 3);
  const at::Tensor exact = at::addmm(bias.to(at::kDouble), x.to(at::kDouble), weight.to(at::kDouble).t());
  const auto error = [&](const at::Tensor& y) { return ((y - exact).norm() / exact.norm()).item<double>(); };
  const at::Tensor y = matrix_product(x, weight.t(), bias, /*by_onednn=*/true);
  EXPECT_EQ(y.scalar_type(), at::kBFloat16);
  EXPECT_LT(error(y), 3e-3);
  EXPECT_LT(error(matrix_product(x, weight.t(), bias, /*by_onednn=*/true, at::kFloat)), 1e-6);
}

TEST(CpuKernels, AreAtensWhereTheCpuLacksWhatOursNeed) {
  const std::string aten = describe({});
  EXPECT_EQ(describe(choose_cpu_kernels(CpuKernelWish::kAten, at::kCPU, at::kFloat)), aten);
  EXPECT_EQ(describe(choose_cpu_kernels(CpuKernelWish::kOneDnn, at::kCUDA, at::kFloat)), aten);
  EXPECT_EQ(describe(choose_cpu_kernels(CpuKernelWish::kAten, at::kCPU, at::kBFloat16)), aten);
  EXPECT_EQ(describe(choose_cpu_kernels(CpuKernelWish::kAuto, at::kCPU, at::kHalf)), aten);
  EXPECT_EQ(describe(choose_cpu_kernels(CpuKernelWish::kAuto, at::kCPU, at::kBFloat16)) == aten,
            !__builtin_cpu_supports("avx512bf16"));
  EXPECT_NE(describe(choose_cpu_kernels(CpuKernelWish::kOneDnn, at::kCPU, at::kFloat)), aten);
}

TEST(CpuKernels, SayWhatRoundsDifferentlyFromOneCpuToTheNext) {
  if (!can_run(AttentionKernel::kAvx2)) GTEST_SKIP() << "this CPU has no AVX2: all is ATen's";
  const std::string ours = describe(choose_cpu_kernels(CpuKernelWish::kAuto, at::kCPU, at::kFloat));
  for (const std::string part :
       {"a product up to 64 cells", "element-wise fused with ", " lanes, attention own with "})
    EXPECT_NE(ours.find(part), std::string::npos) << part << " in " << ours;
}

}  // namespace
}  // namespace sdlora::model::kernels
