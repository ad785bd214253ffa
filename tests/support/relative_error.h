// How far a result is from a reference, whatever their types.
#pragma once

#include <ATen/ATen.h>

namespace sdlora {

// The greatest difference, as a part of the reference's greatest number.
inline double relative_error(const at::Tensor& result, const at::Tensor& reference) {
  const at::Tensor expected = reference.detach().to(at::kDouble);
  const at::Tensor difference = (result.detach().to(at::kDouble) - expected).abs().max();
  return difference.item<double>() / expected.abs().max().item<double>();
}

}  // namespace sdlora
