// Multi-head attention on the CPU in blocks that stay in the cache, forward and backward: faster than ATen's
// where heads are narrow (40 channels at 64×64 cells), which is where most of the attention's time goes.
#pragma once

#include <ATen/core/Tensor.h>

#include "model/kernels/cpu_kernels.h"

namespace sdlora::model::kernels {

// q [B, N, C], k and v [B, M, C]; rows may be apart (views of one product). Of the kernel's type, fp32 or
// bfloat16, whose products are added in fp32; can_run(kernel) has said that this CPU has it. A probability
// below 2⁻¹²⁶ of its row's greatest is 0. Keeps q, k, v, the result and a number for each query and head for
// the backward. → [B, N, C]
at::Tensor blocked_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                             int64_t head_count, AttentionKernel kernel);

}  // namespace sdlora::model::kernels
