// value · GELU(gate) on the CPU (Shazeer 2020; diffusers GEGLU), GELU exact as torch's default. Keeps its
// input for the backward and nothing else.
#pragma once

#include <ATen/core/Tensor.h>

namespace sdlora::model::kernels {

// x [..., 2C], fp32 or bfloat16, value first, then gate → [..., C]
at::Tensor geglu(const at::Tensor& x);

}  // namespace sdlora::model::kernels
