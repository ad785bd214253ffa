// A bfloat16 as the upper half of a float. Always inlined: files compiled for wider CPUs include this, and no
// copy of theirs may end up in another.
#pragma once

#include <cstdint>

namespace sdlora::model::kernels {

using BFloat16Bits = uint16_t;

[[gnu::always_inline]] inline float to_float(BFloat16Bits bits) {
  return __builtin_bit_cast(float, static_cast<uint32_t>(bits) << 16);
}

// Rounded to the nearest, ties to even; NaN stays NaN.
[[gnu::always_inline]] inline BFloat16Bits to_bfloat16_bits(float value) {
  constexpr uint32_t kQuietNan = 0x7FC0;
  const uint32_t bits = __builtin_bit_cast(uint32_t, value);
  const uint32_t rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
  return static_cast<BFloat16Bits>(value == value ? rounded : kQuietNan);
}

}  // namespace sdlora::model::kernels
