// Where a frozen model is held, and in which type it computes.
#pragma once

#include <memory>

#include <ATen/core/Tensor.h>

#include "model/kernels/cpu_kernels.h"
#include "model/kernels/prepared_weights.h"

namespace sdlora::model {

// Weights stored in another type are converted once, at load.
struct Placement {
  at::Device device = at::kCPU;
  at::ScalarType dtype = at::kFloat;
  kernels::CpuKernels cpu_kernels;
  // Where the kernels' weights are noted down, to be shared by the ranks of a host; none: not shared.
  std::shared_ptr<kernels::PreparedWeights> prepared_weights;
};

}  // namespace sdlora::model
