// Gradients that are not too long.
#pragma once

#include <ATen/core/Tensor.h>

namespace sdlora::trainer {

// Scales `gradients` down, in place, so that their 2-norm is at most max_norm
// (torch.nn.utils.clip_grad_norm_); 0: never. Returns the norm before. Summed in fp64.
double clip_gradient_norm(at::Tensor& gradients, double max_norm);

// By which clip_gradient_norm() scales gradients of this norm: 1 or less.
double clip_factor(double norm, double max_norm);

}  // namespace sdlora::trainer
