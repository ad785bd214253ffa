// The tile registers of AMX in plain C++ (model/kernels/amx_tiles.h), for CPUs that lack them: sums as the
// manual's TDPBF16PS, in which the first and the second numbers of the pairs are added up apart. Where
// denormals are not flushed it keeps them, which the CPU's never do.
#pragma once

#include <cstdint>
#include <cstring>

#include "model/kernels/bfloat16_bits.h"

namespace sdlora {
namespace {  // compiled for wider CPUs: no copy of it may end up in another file

struct EmulatedTiles {
  static constexpr int kTiles = 8, kRows = 16, kRowBytes = 64;

  static void configure() { std::memset(registers, 0, sizeof registers); }

  static void release() { configure(); }

  template <int kTile>
  static void zero() {
    std::memset(registers[kTile], 0, sizeof registers[kTile]);
  }

  template <int kTile>
  static void load(const void* rows, int64_t stride_bytes) {
    for (int row = 0; row < kRows; ++row)
      std::memcpy(registers[kTile][row], static_cast<const char*>(rows) + row * stride_bytes, kRowBytes);
  }

  template <int kTile>
  static void store(void* rows, int64_t stride_bytes) {
    for (int row = 0; row < kRows; ++row)
      std::memcpy(static_cast<char*>(rows) + row * stride_bytes, registers[kTile][row], kRowBytes);
  }

  template <int kSums, int kLeft, int kRight>
  static void multiply() {
    for (int row = 0; row < kRows; ++row)
      for (int column = 0; column < kRows; ++column) {
        float first = 0, second = 0;
        for (int pair = 0; pair < kRows; ++pair) {
          first += number(kLeft, row, 2 * pair) * number(kRight, pair, 2 * column);
          second += number(kLeft, row, 2 * pair + 1) * number(kRight, pair, 2 * column + 1);
        }
        float sum = 0;
        unsigned char* const place = registers[kSums][row] + column * sizeof sum;
        std::memcpy(&sum, place, sizeof sum);
        sum += first + second;
        std::memcpy(place, &sum, sizeof sum);
      }
  }

 private:
  static inline thread_local unsigned char registers[kTiles][kRows][kRowBytes] = {};

  static float number(int tile, int row, int index) {
    uint16_t bits = 0;
    std::memcpy(&bits, registers[tile][row] + index * sizeof bits, sizeof bits);
    return model::kernels::to_float(bits);
  }
};

}  // namespace
}  // namespace sdlora
