// Group normalisation, row by row of channels, with the sums by channel. Activations of float or
// BFloat16Bits; everything else in fp32.
#pragma once

#include <cstdint>

#include "model/kernels/bfloat16_bits.h"

namespace sdlora::model::kernels {

// sums, squares [channels] = Σ (x − pivot), Σ (x − pivot)² over x [rows, channels], pivot [channels] one of
// each channel's values: sums of differences keep their digits however far from 0 the mean is
void sum_rows(const float* x, const float* pivot, int64_t rows, int64_t channels, float* sums,
              float* squares);
void sum_rows(const BFloat16Bits* x, const float* pivot, int64_t rows, int64_t channels, float* sums,
              float* squares);

// z = x · scale + shift, each [channels]
struct ChannelLine {
  const float *scale, *shift;
};

// y [rows, channels] = z, or SiLU(z) = z σ(z)
void normalize_rows(const float* x, int64_t rows, int64_t channels, const ChannelLine& line, bool then_silu,
                    float* y);
void normalize_rows(const BFloat16Bits* x, int64_t rows, int64_t channels, const ChannelLine& line,
                    bool then_silu, BFloat16Bits* y);

// Of the loss to z, dz = dy or dy SiLU'(z): sums, products [channels] = Σ dz, Σ dz (x − pivot)
void sum_gradient_rows(const float* x, const float* dy, const float* pivot, int64_t rows, int64_t channels,
                       const ChannelLine& line, bool then_silu, float* sums, float* products);
void sum_gradient_rows(const BFloat16Bits* x, const BFloat16Bits* dy, const float* pivot, int64_t rows,
                       int64_t channels, const ChannelLine& line, bool then_silu, float* sums,
                       float* products);

// dx = dz · of_gradient + x · of_input + constant, each [channels]
struct InputGradientLine {
  const float *of_gradient, *of_input, *constant;
};

// dx [rows, channels] of the line, + around [rows, channels] unless it is null
void input_gradient_rows(const float* x, const float* dy, const float* around, int64_t rows, int64_t channels,
                         const ChannelLine& line, bool then_silu, const InputGradientLine& gradient,
                         float* dx);
void input_gradient_rows(const BFloat16Bits* x, const BFloat16Bits* dy, const BFloat16Bits* around,
                         int64_t rows, int64_t channels, const ChannelLine& line, bool then_silu,
                         const InputGradientLine& gradient, BFloat16Bits* dx);

}  // namespace sdlora::model::kernels
