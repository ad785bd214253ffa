// Layer and group normalisation with frozen scale and shift (Ba et al. 2016; Wu and He 2018). Where
// ComputeMode asks for it, by kernels of our own, which also take what is added before and the way around.
#pragma once

#include "model/kernels/normalized.h"
#include "model/loading/weight_source.h"

namespace sdlora::model {

using kernels::Normalized;

struct LayerNorm {
  at::Tensor weight, bias;  // [C]
  double eps = 1e-5;
  bool is_fused = false;  // by our kernel for the CPU; else by ATen

  LayerNorm() = default;

  LayerNorm(const WeightSource& weights, int64_t channels, double epsilon);

  // [..., C] → [..., C]
  at::Tensor forward(const at::Tensor& x) const { return forward_beside(x).output; }

  // x and `added` (or undefined) [..., C] → their sum, to go on with, and the sum normalised
  Normalized forward_beside(const at::Tensor& x, const at::Tensor& added = {}) const;
};

struct GroupNorm {
  at::Tensor weight, bias;  // [C]
  int64_t group_count = 1;
  double eps = 1e-5;
  bool is_fused = false;  // by our kernel for the CPU; else by ATen, or on a GPU by one of ours

  GroupNorm() = default;

  GroupNorm(const WeightSource& weights, int64_t channels, int64_t groups, double epsilon);

  // [B, C, h, w] → [B, C, h, w], channels last where a kernel of ours computes.
  at::Tensor forward(const at::Tensor& x) const { return forward_beside(x).output; }

  // x, to go on with, and x normalised
  Normalized forward_beside(const at::Tensor& x) const {
    return normalize(x, /*added=*/{}, /*then_silu=*/false);
  }

  // The same and SiLU of what is normalised (Elfwing et al. 2018). `added` [B or 1, C], or undefined, is
  // added to each cell of x before it is normalised, but not to the x to go on with.
  Normalized forward_then_silu_beside(const at::Tensor& x, const at::Tensor& added = {}) const {
    return normalize(x, added, /*then_silu=*/true);
  }

  at::Tensor forward_then_silu(const at::Tensor& x, const at::Tensor& added = {}) const {
    return forward_then_silu_beside(x, added).output;
  }

 private:
  Normalized normalize(const at::Tensor& x, const at::Tensor& added, bool then_silu) const;
  at::Tensor by_aten_or_gpu(const at::Tensor& x, bool then_silu) const;
};

}  // namespace sdlora::model
