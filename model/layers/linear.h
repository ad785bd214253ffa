// A frozen linear layer, y = x Wᵀ + b.
#pragma once

#include "model/loading/weight_source.h"

namespace sdlora::model {

struct Linear {
  at::Tensor weight;       // [out, in]
  at::Tensor bias;         // [out], or undefined
  bool by_onednn = false;  // computed by oneDNN; else by ATen

  Linear() = default;

  // `weights` is the layer's place; a 1×1 convolution [out, in, 1, 1] is taken as the matrix it is.
  Linear(const WeightSource& weights, int64_t in, int64_t out, bool has_bias = true);

  // [..., in] → [..., out]
  at::Tensor forward(const at::Tensor& x) const;
};

}  // namespace sdlora::model
