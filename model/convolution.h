// A frozen 2-D convolution. Its backward needs only the weight, so nothing of the activations is kept for it.
#pragma once

#include "model/weight_source.h"

namespace sdlora::model {

struct Convolution {
  at::Tensor weight;  // [out, in, k, k]
  at::Tensor bias;    // [out]
  int64_t stride = 1;
  int64_t padding = 0;

  Convolution() = default;
  Convolution(const WeightSource& weights, int64_t in, int64_t out, int64_t kernel_size,
              int64_t stride_cells = 1, int64_t padding_cells = 0);

  bool is_defined() const { return weight.defined(); }

  // [B, in, h, w] → [B, out, h', w']
  at::Tensor forward(const at::Tensor& x) const;
};

}  // namespace sdlora::model
