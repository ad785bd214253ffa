// The tile registers of Intel's AMX: eight of 16 rows of 64 bytes, which are 16 × 16 floats, or 16 × 32
// bfloat16 (Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, chapter 18). Every
// register is always used whole. GCC's own intrinsics take only literal numbers of registers, which templates
// cannot give.
#pragma once

#include <cstdint>

namespace sdlora::model::kernels {

struct AmxTiles {
  // Of this thread; other code (oneDNN's) may change it or clear all registers between two calls of ours.
  [[gnu::always_inline]] static void configure() {
    struct alignas(64) {
      uint8_t palette = 1, start_row = 0, reserved[14] = {};
      uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
      uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
    } shape;

    asm volatile("ldtilecfg %0" ::"m"(shape));
  }

  // Threads that leave tiles in use make the system save 8 KiB more at every switch.
  [[gnu::always_inline]] static void release() { asm volatile("tilerelease"); }

  template <int kTile>
  [[gnu::always_inline]] static void zero() {
    asm volatile("tilezero %%tmm%c0" ::"i"(kTile));
  }

  template <int kTile>
  [[gnu::always_inline]] static void load(const void* rows, int64_t stride_bytes) {
    asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(rows), "r"(stride_bytes), "i"(kTile) : "memory");
  }

  template <int kTile>
  [[gnu::always_inline]] static void store(void* rows, int64_t stride_bytes) {
    asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(rows), "r"(stride_bytes), "i"(kTile) : "memory");
  }

  // sums [16, 16] += left [16 rows, 32] · right [16 pairs, 16 columns, 2]
  template <int kSums, int kLeft, int kRight>
  [[gnu::always_inline]] static void multiply() {
    asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kSums), "i"(kLeft), "i"(kRight));
  }
};

}  // namespace sdlora::model::kernels
