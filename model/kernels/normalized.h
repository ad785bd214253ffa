// What a normalisation gives that computes the way around it, too.
#pragma once

#include <ATen/core/Tensor.h>

namespace sdlora::model::kernels {

// `input` is what was normalised, for the way around (a residual): when both are used, one backward writes
// the sum of their gradients, and nothing has to be added afterwards.
struct Normalized {
  at::Tensor input, output;
};

}  // namespace sdlora::model::kernels
