// What a 3×3 convolution with stride 1 and padding 1 takes from around each cell, as a row of a matrix, and
// back. Activations channels last, of float or BFloat16Bits; sums in fp32.
#pragma once

#include <cstdint>

#include "model/kernels/bfloat16_bits.h"

namespace sdlora::model::kernels {

struct PatchGrid {
  int64_t batch, height, width;  // of the activation
  int64_t channels;              // of the side that patches are taken from

  int64_t cells() const { return batch * height * width; }

  int64_t patch() const { return 9 * channels; }  // numbers of one, in the weight's order [channels, 3, 3]
};

// x [batch, height, width, channels] → rows first … last-1 of patches [cells, channels, 3, 3]; zeros
// [channels]: what is beyond the edge
template <typename Number>
void gather_patches(const PatchGrid& grid, const Number* x, const Number* zeros, int64_t first, int64_t last,
                    Number* patches);

// The transposed: patches [cells, channels, 3, 3] → cells first … last-1 of x [batch, height, width,
// channels], each the sum of what the patches around it have of it; zeros [9 channels]
template <typename Number>
void sum_patches(const PatchGrid& grid, const float* patches, const float* zeros, int64_t first, int64_t last,
                 Number* x);

}  // namespace sdlora::model::kernels
