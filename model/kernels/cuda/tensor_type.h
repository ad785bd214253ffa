// The type of a tensor's values, by the kernels' name.
#pragma once

#include <ATen/core/Tensor.h>

#include "model/kernels/cuda/element_type.h"

namespace sdlora::model::kernels::cuda {

inline bool has_element_type(const at::Tensor& x) {
  return x.scalar_type() == at::kFloat || x.scalar_type() == at::kHalf || x.scalar_type() == at::kBFloat16;
}

// Of one that has_element_type().
inline ElementType element_type_of(const at::Tensor& x) {
  if (x.scalar_type() == at::kHalf) return ElementType::kHalf;
  return x.scalar_type() == at::kBFloat16 ? ElementType::kBFloat16 : ElementType::kFloat;
}

}  // namespace sdlora::model::kernels::cuda
