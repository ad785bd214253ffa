#include "model/kernels/patches.h"

#include <array>
#include <cstddef>

#include "model/kernels/float_functions.h"

namespace sdlora::model::kernels {
namespace {

constexpr int kTaps = 9;  // of the kernel

// The rows of the cells around one in numbers [cells, row_length], place by place; beyond the edge `zeros`.
template <typename Number>
std::array<const Number*, kTaps> rows_around(const PatchGrid& grid, int64_t cell, const Number* numbers,
                                             int64_t row_length, const Number* zeros) {
  const int64_t row = cell / grid.width % grid.height, column = cell % grid.width;
  std::array<const Number*, kTaps> rows{};
  for (int64_t tap = 0; tap < kTaps; ++tap) {
    const int64_t down = tap / 3 - 1, right = tap % 3 - 1;
    const bool is_inside =
        row + down >= 0 && row + down < grid.height && column + right >= 0 && column + right < grid.width;
    rows[static_cast<size_t>(tap)] =
        is_inside ? numbers + (cell + down * grid.width + right) * row_length : zeros;
  }
  return rows;
}

}  // namespace

template <typename Number>
void gather_patches(const PatchGrid& grid, const Number* x, const Number* zeros, int64_t first, int64_t last,
                    Number* patches) {
  for (int64_t cell = first; cell < last; ++cell) {
    const auto cells = rows_around(grid, cell, x, grid.channels, zeros);
    Number* patch = patches + cell * grid.patch();
    for (int64_t channel = 0; channel < grid.channels; ++channel, patch += kTaps)
#pragma GCC unroll 9
      for (size_t tap = 0; tap < kTaps; ++tap) patch[tap] = cells[tap][channel];
  }
}

template <typename Number>
void sum_patches(const PatchGrid& grid, const float* patches, const float* zeros, int64_t first, int64_t last,
                 Number* x) {
  for (int64_t cell = first; cell < last; ++cell) {
    const auto around = rows_around(grid, cell, patches, grid.patch(), zeros);
    // The patch of the cell that is down and right has this one up and left.
    std::array<const float*, kTaps> parts{};
    for (size_t tap = 0; tap < kTaps; ++tap) parts[tap] = around[kTaps - 1 - tap] + tap;
    for (int64_t channel = 0; channel < grid.channels; ++channel) {
      float sum = 0;
#pragma GCC unroll 9
      for (size_t tap = 0; tap < kTaps; ++tap) sum += parts[tap][kTaps * channel];
      store(sum, x[cell * grid.channels + channel]);
    }
  }
}

template void gather_patches(const PatchGrid& grid, const float* x, const float* zeros, int64_t first,
                             int64_t last, float* patches);
template void gather_patches(const PatchGrid& grid, const BFloat16Bits* x, const BFloat16Bits* zeros,
                             int64_t first, int64_t last, BFloat16Bits* patches);
template void sum_patches(const PatchGrid& grid, const float* patches, const float* zeros, int64_t first,
                          int64_t last, float* x);
template void sum_patches(const PatchGrid& grid, const float* patches, const float* zeros, int64_t first,
                          int64_t last, BFloat16Bits* x);

}  // namespace sdlora::model::kernels
