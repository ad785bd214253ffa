// Group normalisation with frozen scale and shift, and SiLU after it where wanted, on a GPU, as torch's
// group_norm and silu (diffusers ResnetBlock2D). Statistics are of fp32; the result is rounded once. Keeps x
// and the statistics for the backward, which goes to x only. The same bytes every time.
#pragma once

#include <ATen/core/Tensor.h>

namespace sdlora::model::kernels::cuda {

// Whether the kernels take it: x [B, C, h, w] on a GPU, channels last, fp32, fp16 or bf16, weight of its
// type.
bool takes_group_norm(const at::Tensor& x, const at::Tensor& weight);

// x as takes_group_norm() wants it, weight and bias [C] → [B, C, h, w], channels last.
at::Tensor group_norm_silu(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                           int64_t group_count, double eps, bool then_silu);

}  // namespace sdlora::model::kernels::cuda
