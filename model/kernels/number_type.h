// The types of activations that kernels of our own compute on, as they are in memory.
#pragma once

#include <ATen/core/Tensor.h>

#include "model/kernels/bfloat16_bits.h"

namespace sdlora::model::kernels {

template <typename Number>
Number* numbers_of(const at::Tensor& x) {
  return static_cast<Number*>(x.data_ptr());
}

// An undefined tensor's are null.
template <typename Number>
Number* numbers_if_any(const at::Tensor& x) {
  return x.defined() ? numbers_of<Number>(x) : nullptr;
}

// Calls work(Number()), Number the type in memory of a tensor in fp32 or bfloat16.
template <typename Work>
auto with_number_type(at::ScalarType type, const Work& work) {
  if (type == at::kFloat) return work(float());
  TORCH_CHECK(type == at::kBFloat16, "a kernel for fp32 and bfloat16 is given ", type);
  return work(BFloat16Bits());
}

}  // namespace sdlora::model::kernels
