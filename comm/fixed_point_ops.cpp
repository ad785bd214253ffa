#include "comm/fixed_point_ops.h"

#include "comm/fixed_point.h"

namespace sdlora::comm::fixed_point {
namespace {

// The exact a + b is the pair's sum; see fixed_point.cpp.
std::pair<at::Tensor, at::Tensor> add_exactly(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor sum = a + b;
  const at::Tensor b_part = sum - a;
  const at::Tensor a_part = sum - b_part;
  return {sum, (a - a_part) + (b - b_part)};
}

at::Tensor round_to_odd(const at::Tensor& sum, const at::Tensor& error) {
  const at::Tensor bits = sum.view(at::kLong);
  const at::Tensor outward = at::where(bits.bitwise_xor(error.view(at::kLong)).lt(0), -1, 1);
  const at::Tensor is_even_and_inexact = error.ne(0).to(at::kLong).bitwise_and(bits.bitwise_not());
  return (bits + is_even_and_inexact * outward).view(at::kDouble);
}

}  // namespace

void add_terms(const at::Tensor& terms, at::Tensor& high, at::Tensor& low, at::Tensor& refused) {
  const at::Tensor is_in_range = terms.abs().lt(kTermLimit);  // false for NaN
  refused.add_(is_in_range.logical_not().sum());
  const at::Tensor value = at::where(is_in_range, terms, 0.0F).to(at::kDouble);
  const at::Tensor high_part = (value * 0x1p32).round();  // ties to even
  const at::Tensor low_part = (value * 0x1p80 - high_part * 0x1p48).round();
  high.add_(high_part.to(at::kLong));
  low.add_(low_part.to(at::kLong));
}

at::Tensor round_sums(const at::Tensor& high, const at::Tensor& low) {
  const at::Tensor carried = high + at::bitwise_right_shift(low, kLowBits);
  const at::Tensor rest = low.bitwise_and((int64_t{1} << kLowBits) - 1);
  const at::Tensor top = at::bitwise_right_shift(carried + (int64_t{1} << 31), 32);
  const at::Tensor middle = carried - at::bitwise_left_shift(top, 32);
  const auto [lower, lower_error] = add_exactly(middle.to(at::kDouble) * 0x1p48, rest.to(at::kDouble));
  const auto [whole, whole_error] = add_exactly(top.to(at::kDouble) * 0x1p80, lower);
  return (round_to_odd(whole, whole_error + lower_error) * 0x1p-80).to(at::kFloat);
}

}  // namespace sdlora::comm::fixed_point
