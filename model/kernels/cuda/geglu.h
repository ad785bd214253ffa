// value × GELU(gate) on a GPU (Shazeer 2020; diffusers GEGLU), GELU exact as torch's default. Keeps its input
// for the backward and nothing else. The same bytes every time.
#pragma once

#include <ATen/core/Tensor.h>

namespace sdlora::model::kernels::cuda {

// Whether the kernels take it: x [..., 2C] on a GPU without gaps, fp32, fp16 or bf16.
bool takes_geglu(const at::Tensor& x);

// x as takes_geglu() wants it, value first, then gate → [..., C]
at::Tensor geglu(const at::Tensor& x);

}  // namespace sdlora::model::kernels::cuda
