#include "comm/fixed_point.h"

#include <bit>

namespace sdlora::comm::fixed_point {
namespace {

// Adding 1.5 * 2^52 rounds a double below 2^51 in magnitude to a whole number, ties to even, and leaves it in
// the low bits of the mantissa. Unlike casts between double and int64 it vectorises on every x86-64, in both
// directions.
constexpr double kAnchor = 0x1.8p52;
constexpr auto kAnchorBits = std::bit_cast<int64_t>(kAnchor);

int64_t whole_number_at(double anchored) {
  return std::bit_cast<int64_t>(anchored) - kAnchorBits;
}

double exact_double(int64_t whole_number) {
  return std::bit_cast<double>(whole_number + kAnchorBits) - kAnchor;
}

// floor(value / 2^bits), by a logical shift: SSE2 and AVX2 have no arithmetic one for 64 bits.
int64_t shift_right(int64_t value, int bits) {
  constexpr uint64_t kBias = uint64_t{1} << 63;
  return static_cast<int64_t>((static_cast<uint64_t>(value) + kBias) >> bits) -
         static_cast<int64_t>(kBias >> bits);
}

// The exact a + b is sum + error (Knuth 1969, vol. 2, 4.2.2, theorem B).
struct ExactSumOfTwo {
  double sum;
  double error;
};

ExactSumOfTwo add_exactly(double a, double b) {
  const double sum = a + b;
  const double b_part = sum - a;
  const double a_part = sum - b_part;
  return {sum, (a - a_part) + (b - b_part)};
}

// Of the two doubles that enclose sum + error the one with the odd mantissa, which remembers that something
// was lost: rounding it to fp32 is then as good as rounding the exact value (Boldo and Melquiond 2008,
// "Emulation of FMA and correctly rounded sums: proved algorithms using rounding to odd").
double round_to_odd(double sum, double error) {
  const auto bits = std::bit_cast<uint64_t>(sum);
  const auto error_bits = std::bit_cast<uint64_t>(error);
  const uint64_t error_magnitude = error_bits & ~(uint64_t{1} << 63);
  const uint64_t is_even_and_inexact = ~bits & (-error_magnitude >> 63);
  // One more in the bits is away from zero; if the signs differ the neighbour is one less.
  const uint64_t is_inward = (bits ^ error_bits) >> 63;
  return std::bit_cast<double>(bits + (is_even_and_inexact ^ -is_inward) + is_inward);
}

}  // namespace

int64_t add_terms(const float* __restrict terms, int64_t count, int64_t* __restrict high,
                  int64_t* __restrict low) {
  int64_t refused = 0;
  for (int64_t i = 0; i < count; ++i) {
    // By the bits, as NaN and infinity are above every number there, and no branch is left
    const auto bits = std::bit_cast<int32_t>(terms[i]);
    const int32_t is_refused = (bits & 0x7FFFFFFF) >= std::bit_cast<int32_t>(kTermLimit) ? 1 : 0;
    refused += is_refused;
    const double quanta = static_cast<double>(std::bit_cast<float>(bits & (is_refused - 1))) * 0x1p80;
    const double anchored_high = quanta * 0x1p-48 + kAnchor;
    const double rest = quanta - (anchored_high - kAnchor) * 0x1p48;  // exact
    high[i] += whole_number_at(anchored_high);
    low[i] += whole_number_at(rest + kAnchor);
  }
  return refused;
}

void round_sums(const int64_t* __restrict high, const int64_t* __restrict low, int64_t count,
                float* __restrict sums) {
  for (int64_t i = 0; i < count; ++i) {
    // 1. Carry, and split around zero, so that the lower parts never cancel the top:
    //    0 <= rest < 2^48, -2^31 <= middle < 2^31
    const int64_t carried = high[i] + shift_right(low[i], kLowBits);
    const int64_t rest = low[i] & ((int64_t{1} << kLowBits) - 1);
    const int64_t top = shift_right(carried + (int64_t{1} << 31), 32);
    const int64_t middle = carried - (top << 32);
    // 2. top * 2^80 + middle * 2^48 + rest as a double and an error of less than its last bit
    const auto lower = add_exactly(exact_double(middle) * 0x1p48, exact_double(rest));
    const auto whole = add_exactly(exact_double(top) * 0x1p80, lower.sum);
    // 3. To fp32
    sums[i] = static_cast<float>(round_to_odd(whole.sum, whole.error + lower.error) * 0x1p-80);
  }
}

}  // namespace sdlora::comm::fixed_point
