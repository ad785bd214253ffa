// The GEGLU kernels on a GPU. Where there is none, skipped, with that as the reason.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "model/kernels/cuda/geglu.h"
#include "tests/model/kernels/cuda/geglu_reference.h"
#include "tests/model/kernels/cuda/gpu_test.h"
#include "tests/model/kernels/cuda/kernel_cases.h"

namespace sdlora::model::kernels::cuda {
namespace {

using GegluOnAGpu = GpuTest;

TEST_F(GegluOnAGpu, IsTheReference) {
  for (const auto& [rows, channels] : geglu_cases())
    for (const at::ScalarType type : {at::kFloat, at::kHalf, at::kBFloat16}) {
      const at::Tensor host_x = random_values({1, rows, 2 * channels}, 1, type) * 3;
      const at::Tensor host_dy = random_values({1, rows, channels}, 2, type);
      const at::Tensor x = host_x.to(at::kCUDA).set_requires_grad(true);
      ASSERT_TRUE(takes_geglu(x));
      const at::Tensor y = geglu(x);
      y.backward(host_dy.to(at::kCUDA));
      EXPECT_TRUE(are_close(y, geglu_reference(host_x.to(at::kDouble)), type)) << rows << "x" << channels;
      EXPECT_TRUE(are_close(x.grad(),
                            geglu_gradient_reference(host_x.to(at::kDouble), host_dy.to(at::kDouble)), type))
          << rows << "x" << channels;
    }
}

}  // namespace
}  // namespace sdlora::model::kernels::cuda
