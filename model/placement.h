// Where a frozen model is held, and in which type it computes.
#pragma once

#include <ATen/core/Tensor.h>

namespace sdlora::model {

// Weights stored in another type are converted once, at load.
struct Placement {
  at::Device device = at::kCPU;
  at::ScalarType dtype = at::kFloat;
};

}  // namespace sdlora::model
