// The tile registers of AMX in plain C++ (model/kernels/amx_tiles.h), for CPUs that lack them: sums as the
// manual's TDPBF16PS, in which the first and the second numbers of the pairs are added up apart.
#pragma once

#include <array>
#include <cstring>

#include "model/kernels/bfloat16_bits.h"

namespace sdlora {

struct EmulatedTiles {
  static constexpr int kRows = 16, kRowBytes = 64;
  using Tile = std::array<std::array<unsigned char, kRowBytes>, kRows>;

  static void configure() { tiles() = {}; }

  static void release() { tiles() = {}; }

  template <int kTile>
  static void zero() {
    tiles()[kTile] = {};
  }

  template <int kTile>
  static void load(const void* rows, int64_t stride_bytes) {
    for (int row = 0; row < kRows; ++row)
      std::memcpy(tiles()[kTile][row].data(), static_cast<const char*>(rows) + row * stride_bytes, kRowBytes);
  }

  template <int kTile>
  static void store(void* rows, int64_t stride_bytes) {
    for (int row = 0; row < kRows; ++row)
      std::memcpy(static_cast<char*>(rows) + row * stride_bytes, tiles()[kTile][row].data(), kRowBytes);
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
        unsigned char* const place = tiles()[kSums][row].data() + column * sizeof sum;
        std::memcpy(&sum, place, sizeof sum);
        sum += first + second;
        std::memcpy(place, &sum, sizeof sum);
      }
  }

 private:
  static std::array<Tile, 8>& tiles() {
    static thread_local std::array<Tile, 8> of_this_thread{};
    return of_this_thread;
  }

  static float number(int tile, int row, int index) {
    uint16_t bits = 0;
    std::memcpy(&bits, tiles()[tile][row].data() + index * sizeof bits, sizeof bits);
    return model::kernels::to_float(bits);
  }
};

}  // namespace sdlora
