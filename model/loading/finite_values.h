// Whether weights are numbers at all: a merge that went wrong leaves NaN in a model, which draws black.
#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace sdlora::model {

// How many values are NaN or infinite. `values`: a floating-point tensor, contiguous, on the CPU; it is read
// once, by all threads, so that a model in memory takes as long as copying a part of it (0.3 s for 4 GB).
int64_t count_nonfinite(const at::Tensor& values);

}  // namespace sdlora::model
