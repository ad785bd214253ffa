// Gradient checkpointing (Chen et al. 2016, "Training deep nets with sublinear memory cost"): of a part of
// the model only the inputs are kept; its backward computes it a second time.
#pragma once

#include <functional>

#include <ATen/core/Tensor.h>

namespace sdlora::model {

// compute(inputs), as it is. `compute` must give the same each time, and what it refers to must be there, as
// it is now, until the backward has passed.
at::Tensor recomputed_in_backward(at::ArrayRef<at::Tensor> inputs,
                                  std::function<at::Tensor(at::ArrayRef<at::Tensor>)> compute);

}  // namespace sdlora::model
