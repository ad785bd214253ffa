// Group normalisation with frozen scale and shift on the CPU, and SiLU after it where wanted (Wu and He 2018;
// diffusers ResnetBlock2D), in two passes over the activation each way. Statistics are of differences from
// the first cell, in fp32 strips that are summed in double; the result is rounded once. Keeps x and the
// statistics for the backward. The same bytes on any number of threads.
#pragma once

#include <ATen/core/Tensor.h>

#include "model/kernels/normalized.h"

namespace sdlora::model::kernels {

struct FrozenGroupNorm {
  at::Tensor weight, bias;  // [C]
  int64_t group_count;
  double eps;
  bool then_silu;
};

// x [B, C, h, w], fp32 or bfloat16 → the same shape, channels last. `added` [B, C], or undefined, is added to
// every cell before (the time embedding); then the way around (Normalized::input) is still x without it.
Normalized group_norm(const at::Tensor& x, const at::Tensor& added, const FrozenGroupNorm& norm);

}  // namespace sdlora::model::kernels
