// value · GELU(gate), row by row, GELU(g) = g Φ(g) (Shazeer 2020; Hendrycks and Gimpel 2016, the exact one).
// Activations of float or BFloat16Bits; computed in fp32.
#pragma once

#include <cstdint>

#include "model/kernels/bfloat16_bits.h"

namespace sdlora::model::kernels {

// x [rows, 2 channels], value first, then gate → y [rows, channels]
void geglu_rows(const float* x, int64_t rows, int64_t channels, float* y);
void geglu_rows(const BFloat16Bits* x, int64_t rows, int64_t channels, BFloat16Bits* y);

// dy [rows, channels] → dx [rows, 2 channels]
void geglu_gradient_rows(const float* x, const float* dy, int64_t rows, int64_t channels, float* dx);
void geglu_gradient_rows(const BFloat16Bits* x, const BFloat16Bits* dy, int64_t rows, int64_t channels,
                         BFloat16Bits* dx);

}  // namespace sdlora::model::kernels
