// The number format of the exact sum, and its loops over host memory.
//
// A term x is a whole number of quanta of 2^-80, split into two int64 words, the lower one signed:
//
//   round(x * 2^80) = high * 2^48 + low,   -2^47 <= low <= 2^47
//
// Words add up without rounding, in any order. With |x| < 2^16, |high| < 2^48, so 2^15 terms fill neither
// word: 2^15 * 2^48 = 2^63 is not reached, 2^15 * 2^47 = 2^62. fp32 has 24 bits, so every |x| >= 2^-57
// (7e-18) is a whole number of quanta; smaller terms are rounded to the nearest quantum, ties to even, each
// by itself.
#pragma once

#include <cstdint>

namespace sdlora::comm::fixed_point {

inline constexpr int kQuantumExponent = -80;
inline constexpr int kLowBits = 48;
inline constexpr float kTermLimit = 65536.0F;  // terms are below it in magnitude
inline constexpr int64_t kMaxTerms = 32768;    // for each element, over all ranks

// Adds count fp32 terms to the words; a term that is not finite or not below kTermLimit adds nothing.
// Returns how many of those there were. Arrays of `count`, none overlapping.
int64_t add_terms(const float* terms, int64_t count, int64_t* high, int64_t* low);

// The exact values rounded once to fp32, to nearest, ties to even. Arrays of `count`, none overlapping.
void round_sums(const int64_t* high, const int64_t* low, int64_t count, float* sums);

}  // namespace sdlora::comm::fixed_point
