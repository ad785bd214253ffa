// Functions of one float, written without branches so that loops over them become vectors. Always inlined:
// files compiled for wider CPUs include this, and no copy of theirs may end up in another.
#pragma once

#include <cstdint>

#include "model/kernels/bfloat16_bits.h"

namespace sdlora::model::kernels {

// Numbers in memory, float or bfloat16, and what is computed with: fp32.
[[gnu::always_inline]] inline float loaded(float value) {
  return value;
}

[[gnu::always_inline]] inline float loaded(BFloat16Bits bits) {
  return to_float(bits);
}

[[gnu::always_inline]] inline void store(float value, float& place) {
  place = value;
}

[[gnu::always_inline]] inline void store(float value, BFloat16Bits& place) {
  place = to_bfloat16_bits(value);
}

// eˣ within 2.4e-7 of it, two units in the last place, and 1e-7 |x| more, which is what x log₂ e rounds.
// Below 2⁻¹²⁶ it is 0, above 2¹²⁶ that; NaN stays NaN. eˣ = 2ⁿ · p(r), n the integer nearest to x log₂ e; p:
// the Taylor series of 2ʳ, whose next term is below 2⁻²⁶ for |r| ≤ ½.
[[gnu::always_inline]] inline float exponential(float x) {
  constexpr float kLog2E = 1.44269504F, kMost = 126.0F;
  constexpr float kRounder = 12582912.0F;  // 1.5 · 2²³: adding it rounds to an integer
  const float y = x * kLog2E, exponent = y > kMost ? kMost : y;
  const float shifted = exponent + kRounder;
  const float r = exponent - (shifted - kRounder);
  float p = 1.5403530e-4F;
  p = p * r + 1.3333558e-3F;
  p = p * r + 9.6181291e-3F;
  p = p * r + 5.5504109e-2F;
  p = p * r + 2.4022651e-1F;
  p = p * r + 6.9314718e-1F;
  p = p * r + 1.0F;
  const uint32_t bits = __builtin_bit_cast(uint32_t, p) + (__builtin_bit_cast(uint32_t, shifted) << 23);
  const float power = __builtin_bit_cast(float, bits);
  const float with_nans = exponent == exponent ? power : exponent;
  return exponent < -kMost ? 0.0F : with_nans;
}

// 1 / (1 + e⁻ˣ)
[[gnu::always_inline]] inline float sigmoid(float x) {
  return 1.0F / (1.0F + exponential(-x));
}

// The normal distribution: Φ(x) within 2e-7 (and the tail below 0 within 2e-6 of itself), and its density
// e^(−x²/2) / √(2π).
struct Normal {
  float cumulative, density;
};

// ½ erfc(u) = e^(−u²) t p(t), t = 1 / (1 + 0.4 u), u = |x| / √2 (Numerical Recipes' form of it); p: the
// polynomial of eighth degree with the least relative error for u ≤ 7, 3.4e-8.
[[gnu::always_inline]] inline Normal normal(float x) {
  constexpr float kInverseRootOf2Pi = 0.39894228F;
  const float magnitude = x < 0.0F ? -x : x;
  const float t = 1.0F / (1.0F + 0.28284271F * magnitude);
  float p = 1.631868060e-2F;
  p = p * t - 4.850435925e-2F;
  p = p * t - 4.465675659e-3F;
  p = p * t + 9.943675936e-2F;
  p = p * t - 3.222531051e-4F;
  p = p * t + 1.147865311e-1F;
  p = p * t + 9.601759018e-2F;
  p = p * t + 1.139627634e-1F;
  p = p * t + 1.127699802e-1F;
  const float bell = exponential(-0.5F * x * x);
  const float tail = t * p * bell;
  return {.cumulative = x < 0.0F ? tail : 1.0F - tail, .density = kInverseRootOf2Pi * bell};
}

}  // namespace sdlora::model::kernels
