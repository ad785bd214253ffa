// oneDNN's name of a tensor's type. For the kernels' sources only: it needs oneDNN's headers.
#pragma once

#include <ATen/core/Tensor.h>
#include <dnnl.hpp>

namespace sdlora::model::kernels {

// Throws c10::Error for types that the kernels do not compute in.
inline dnnl::memory::data_type onednn_type(at::ScalarType dtype) {
  TORCH_CHECK(dtype == at::kFloat || dtype == at::kBFloat16,
              "oneDNN computes in fp32 and bfloat16 here, not in ", dtype);
  return dtype == at::kFloat ? dnnl::memory::data_type::f32 : dnnl::memory::data_type::bf16;
}

}  // namespace sdlora::model::kernels
