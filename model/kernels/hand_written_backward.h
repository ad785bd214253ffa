// A node of the autograd graph whose backward is a function: it keeps what the function captures, and no
// more. What is captured is freed as soon as the backward has passed.
#pragma once

#include <functional>
#include <vector>

#include <ATen/core/Tensor.h>

namespace sdlora::model::kernels {

// dy, contiguous in no particular order → the gradients of the inputs, in their order; undefined ones, or
// ones that nobody looks at, for inputs that want none.
using Backward = std::function<std::vector<at::Tensor>(const at::Tensor& dy)>;

// The same for a node of several outputs; the gradient of one that nothing depends on is undefined.
using JointBackward = std::function<std::vector<at::Tensor>(at::ArrayRef<at::Tensor> output_gradients)>;

// True when a backward through one of `inputs` may come.
bool wants_backward(at::ArrayRef<at::Tensor> inputs);

// Makes `y`, which was computed from `inputs` without autograd's knowledge, their function in the graph.
at::Tensor with_backward(at::Tensor y, at::ArrayRef<at::Tensor> inputs, Backward backward);

// The same for `outputs` that are computed together: one node, called once, when all their gradients are
// there.
std::vector<at::Tensor> with_joint_backward(std::vector<at::Tensor> outputs, at::ArrayRef<at::Tensor> inputs,
                                            JointBackward backward);

}  // namespace sdlora::model::kernels
