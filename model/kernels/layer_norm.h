// Layer normalisation with frozen scale and shift on the CPU (Ba et al. 2016), of a sum where there is one: a
// transformer's block adds a branch and normalises the result. Statistics in fp32. Keeps the sum and its
// statistics for the backward, which goes to the sum only.
#pragma once

#include <ATen/core/Tensor.h>

#include "model/kernels/normalized.h"

namespace sdlora::model::kernels {

// x and `added` (or undefined) [..., C], fp32 or bfloat16; weight, bias [C] → input: x + added, or x; output:
// that normalised
Normalized layer_norm(const at::Tensor& x, const at::Tensor& added, const at::Tensor& weight,
                      const at::Tensor& bias, double eps);

}  // namespace sdlora::model::kernels
