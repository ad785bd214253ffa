// Layer and group normalisation with frozen scale and shift (Ba et al. 2016; Wu and He 2018).
#pragma once

#include "model/loading/weight_source.h"

namespace sdlora::model {

struct LayerNorm {
  at::Tensor weight, bias;  // [C]
  double eps = 1e-5;

  LayerNorm() = default;

  LayerNorm(const WeightSource& weights, int64_t channels, double epsilon)
      : weight(weights.tensor("weight", {channels})),
        bias(weights.tensor("bias", {channels})),
        eps(epsilon) {}

  // [..., C] → [..., C]
  at::Tensor forward(const at::Tensor& x) const {
    return at::layer_norm(x, {weight.size(0)}, weight, bias, eps);
  }
};

struct GroupNorm {
  at::Tensor weight, bias;  // [C]
  int64_t group_count = 1;
  double eps = 1e-5;

  GroupNorm() = default;

  GroupNorm(const WeightSource& weights, int64_t channels, int64_t groups, double epsilon)
      : weight(weights.tensor("weight", {channels})),
        bias(weights.tensor("bias", {channels})),
        group_count(groups),
        eps(epsilon) {}

  // [B, C, h, w] → [B, C, h, w]. On a GPU by a kernel of ours where x is channels last, and so is the result.
  at::Tensor forward(const at::Tensor& x) const;

  // The same and SiLU of it (Elfwing et al. 2018): one pass where the kernel computes.
  at::Tensor forward_then_silu(const at::Tensor& x) const;
};

}  // namespace sdlora::model
