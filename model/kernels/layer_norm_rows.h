// Layer normalisation (Ba et al. 2016), row by row. Activations of float or BFloat16Bits; everything else in
// fp32.
#pragma once

#include <cstdint>

#include "model/kernels/bfloat16_bits.h"

namespace sdlora::model::kernels {

// Each row of a matrix has `channels` numbers.
struct LayerNormShape {
  int64_t rows, channels;
};

// sum = x + added, rounded, where `added` is not null; y = (sum − m) r · scale + shift, each [channels];
// statistics [rows, 2]: m and r = 1 / √(variance + eps) of each row
void layer_norm_rows(const LayerNormShape& shape, const float* x, const float* added, const float* scale,
                     const float* shift, float eps, float* sum, float* y, float* statistics);
void layer_norm_rows(const LayerNormShape& shape, const BFloat16Bits* x, const BFloat16Bits* added,
                     const float* scale, const float* shift, float eps, BFloat16Bits* sum, BFloat16Bits* y,
                     float* statistics);

// With g = dy · scale and x̂ = (x − m) r: dx = r (g − mean of g − x̂ · mean of g x̂), + around unless it is null
void layer_norm_gradient_rows(const LayerNormShape& shape, const float* x, const float* dy,
                              const float* around, const float* scale, const float* statistics, float* dx);
void layer_norm_gradient_rows(const LayerNormShape& shape, const BFloat16Bits* x, const BFloat16Bits* dy,
                              const BFloat16Bits* around, const float* scale, const float* statistics,
                              BFloat16Bits* dx);

}  // namespace sdlora::model::kernels
