// Products of many rows with a frozen weight in bfloat16, by tiles (amx_tiles.h). The weight stays as it is
// and is put into tiles part by part while it is in the cache, so it is in memory once for both directions.
// Compiled for the CPU that has the tiles; sees no other header's code but what is inlined.
#pragma once

#include <cstdint>

#include "model/kernels/bfloat16_bits.h"

namespace sdlora::model::kernels {

//   out[i, j] = bias[j] + Σ over d of left[i, d] · right[d, j], added in fp32 in an order that only the depth decides
struct TileProduct {
  static constexpr int64_t kMultiple = 32;  // of the depth and of the columns

  int64_t rows, depth;
  const BFloat16Bits* left;
  int64_t left_stride;  // numbers from one row to the next, here and below
  const BFloat16Bits* right;
  int64_t right_stride;
  bool right_is_transposed;  // right lies as [columns, depth]; else as [depth, columns]
  const BFloat16Bits* bias;  // [columns] or null; only where right is transposed
  BFloat16Bits* out;
  int64_t out_stride;
};

struct TileProductKernel {
  // Bytes of scratch for so many rows at a time, on a cache line of their own.
  int64_t (*scratch_bytes)(int64_t rows);

  // Rows first … last - 1, of the kMultiple columns from `column`, a multiple of it.
  void (*multiply)(const TileProduct& product, int64_t first, int64_t last, int64_t column, void* scratch);
};

TileProductKernel tile_product_of_amx();

}  // namespace sdlora::model::kernels
