// The transforms of F(2×2, 3×3): 4×4 cells, 2 apart, become 16 numbers for each channel, and 16 numbers
// become 2×2 cells. Activations channels last, of float or
// BFloat16Bits; sums in fp32.
#pragma once

#include <cstdint>

#include "model/kernels/bfloat16_bits.h"

namespace sdlora::model::kernels {

struct TileGrid {
  int64_t batch, height, width;  // of the activation
  int64_t tile_rows, tile_columns;

  static TileGrid of(int64_t batch, int64_t height, int64_t width) {
    return {batch, height, width, (height + 1) / 2, (width + 1) / 2};
  }

  int64_t count() const { return batch * tile_rows * tile_columns; }
};

// Tiles first … last-1 of the grid; the matrices of all 16 positions have `stride` rows.
struct TileRange {
  int64_t first, last, stride;
};

// Position 4a + b of the transform is written at, or read from, 4π(a) + π(b), where π
// swaps 0 and 3 when `is_reversed`: that is the transform of a kernel turned around.

// x [batch, height, width, channels] → tiles [16, stride, channels]; zeros [channels]: what is beyond the
// edge
template <typename Number>
void gather_tiles(const TileGrid& grid, const Number* x, int64_t channels, const TileRange& range,
                  bool is_reversed, const Number* zeros, Number* tiles);

// tiles [16, stride, channels], bias [channels] → their 2×2 cells of y [batch, height, width, channels];
// beyond [channels] takes what lies beyond the edge
template <typename Number>
void scatter_tiles(const TileGrid& grid, const float* tiles, int64_t channels, const TileRange& range,
                   bool is_reversed, const float* bias, Number* beyond, Number* y);

// weight [out, in, 3, 3] → transformed [16, in, out], for out channels first … last-1
template <typename Number>
void transform_weight(const float* weight, int64_t out, int64_t in, int64_t first, int64_t last,
                      Number* transformed);

}  // namespace sdlora::model::kernels
