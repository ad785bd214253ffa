// What the threads of the GEGLU kernels do, done thread by thread on the CPU.
#include "model/kernels/cuda/geglu_threads.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/model/kernels/cuda/geglu_reference.h"
#include "tests/model/kernels/cuda/kernel_cases.h"

namespace sdlora::model::kernels::cuda {
namespace {

template <typename T, int kWidth>
void expect_the_reference(int64_t rows, int64_t channels, at::ScalarType type) {
  if (channels % kWidth != 0) return;
  const GegluShape shape{.rows = rows, .channels = static_cast<int>(channels)};
  const at::Tensor x = random_values({rows, 2 * channels}, 1, type) * 3;
  const at::Tensor dy = random_values({rows, channels}, 2, type);
  at::Tensor y = at::full_like(dy, NAN), dx = at::full_like(x, NAN);
  const auto* x_values = static_cast<const T*>(x.const_data_ptr());
  for (unsigned thread = 0; thread < rows * channels / kWidth; ++thread) {
    gate_row<T, kWidth>(shape, x_values, static_cast<T*>(y.mutable_data_ptr()), thread);
    differentiate_row<T, kWidth>(shape, x_values, static_cast<const T*>(dy.const_data_ptr()),
                                 static_cast<T*>(dx.mutable_data_ptr()), thread);
  }
  EXPECT_TRUE(are_close(y, geglu_reference(x.to(at::kDouble)), type)) << rows << "x" << channels;
  EXPECT_TRUE(are_close(dx, geglu_gradient_reference(x.to(at::kDouble), dy.to(at::kDouble)), type))
      << rows << "x" << channels;
}

template <typename T>
void expect_the_reference(at::ScalarType type) {
  for (const auto& [rows, channels] : geglu_cases()) {
    expect_the_reference<T, kFullWidth<T>>(rows, channels, type);
    expect_the_reference<T, 1>(rows, channels, type);
  }
}

TEST(GegluReference, IsWhatAutogradSays) {
  const at::Tensor x = (random_values({5, 14}, 1, at::kDouble) * 3).set_requires_grad(true);
  const at::Tensor dy = random_values({5, 7}, 2, at::kDouble);
  const auto halves = x.chunk(2, -1);
  const at::Tensor y = halves[0] * at::gelu(halves[1]);
  y.backward(dy);
  EXPECT_TRUE(at::allclose(geglu_reference(x.detach()), y, 1e-12, 1e-12));
  EXPECT_TRUE(at::allclose(geglu_gradient_reference(x.detach(), dy), x.grad(), 1e-12, 1e-12));
}

TEST(GegluThreads, ComputeTheReferenceInEveryType) {
  expect_the_reference<float>(at::kFloat);
  expect_the_reference<__half>(at::kHalf);
  expect_the_reference<__nv_bfloat16>(at::kBFloat16);
}

}  // namespace
}  // namespace sdlora::model::kernels::cuda
