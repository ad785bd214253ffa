#include "model/loading/finite_values.h"

#include <atomic>
#include <cstring>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

namespace sdlora::model {
namespace {

constexpr int64_t kGrain = 1 << 18;  // values: less is not worth a thread

// All bits of the exponent are set in NaN and infinity, and only there.
template <typename Bits>
int64_t count_with_exponent(const at::Tensor& values, Bits exponent) {
  const auto* const data = static_cast<const Bits*>(values.const_data_ptr());
  std::atomic<int64_t> total = 0;
  at::parallel_for(0, values.numel(), kGrain, [&](int64_t begin, int64_t end) {
    Bits count = 0;  // of the values' own width, so that the loop is made of vector instructions
    int64_t sum = 0;
    for (int64_t block = begin; block < end;) {
      const int64_t block_end = std::min<int64_t>(end, block + 8192);  // below what 16 bits count
      count = 0;
      for (; block < block_end; ++block) count += (data[block] & exponent) == exponent ? 1 : 0;
      sum += static_cast<int64_t>(count);
    }
    total += sum;
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
