#include "model/loading/finite_values.h"

#include <atomic>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

namespace sdlora::model {
namespace {

constexpr int64_t kGrain = 1 << 18;  // values: less is not worth a thread
constexpr int64_t kBlock = 256;      // values: a fixed count becomes a loop of vector instructions

// All bits of the exponent are set in NaN and infinity, and only there.
template <typename Bits>
int64_t count_of(const Bits* values, int64_t count, Bits exponent) {
  int64_t nonfinite = 0;
  for (int64_t i = 0; i < count; ++i) nonfinite += (values[i] & exponent) == exponent ? 1 : 0;
  return nonfinite;
}

template <typename Bits>
int64_t count_with_exponent(const at::Tensor& values, Bits exponent) {
  const auto* const data = static_cast<const Bits*>(values.const_data_ptr());
  std::atomic<int64_t> total = 0;
  at::parallel_for(0, values.numel(), kGrain, [&](int64_t begin, int64_t end) {
    int64_t count = 0, i = begin;
    for (; i + kBlock <= end; i += kBlock) {
      Bits found = 0;
      for (int64_t j = 0; j < kBlock; ++j)
        found = static_cast<Bits>(found | ((data[i + j] & exponent) == exponent));
      if (found != 0) count += count_of(data + i, kBlock, exponent);
    }
    total += count + count_of(data + i, end - i, exponent);
  });
  return total;
}

}  // namespace

int64_t count_nonfinite(const at::Tensor& values) {
  switch (values.scalar_type()) {
    case at::kFloat:
      return count_with_exponent<uint32_t>(values, 0x7F80'0000U);
    case at::kHalf:
      return count_with_exponent<uint16_t>(values, 0x7C00U);
    case at::kBFloat16:
      return count_with_exponent<uint16_t>(values, 0x7F80U);
    case at::kDouble:
      return count_with_exponent<uint64_t>(values, 0x7FF0'0000'0000'0000U);
    default:
      return values.numel() - at::isfinite(values.to(at::kFloat)).sum().item<int64_t>();
  }
}

}  // namespace sdlora::model
