// The formulas of the group normalisation kernels once more, in fp64 and a line each.
#pragma once

#include <ATen/core/Tensor.h>

namespace sdlora::model::kernels::cuda {

struct GroupNormReference {
  at::Tensor x;             // [B, C, h, w] f64
  at::Tensor weight, bias;  // [C] f64
  int64_t group_count;
  double eps;
  bool then_silu;

  at::Tensor output() const;                              // [B, C, h, w]
  at::Tensor input_gradient(const at::Tensor& dy) const;  // dy, result [B, C, h, w]

 private:
  at::Tensor x_hat() const;
  at::Tensor h() const;
  at::Tensor rstd() const;                                 // [B, groups, 1]
  at::Tensor group_mean(const at::Tensor& values) const;   // [B, C, h, w] → [B, groups, 1]
  at::Tensor by_group(const at::Tensor& values) const;     // [B, C, h, w] → [B, groups, C / groups · h w]
  at::Tensor per_channel(const at::Tensor& values) const;  // [C] → [1, C, 1, 1]
};

}  // namespace sdlora::model::kernels::cuda
