#include "data/caching/reg_balance.h"

namespace sdlora::data {

std::vector<int64_t> balanced_repeats(const std::vector<int64_t>& own_repeats, int64_t training_count) {
  std::vector<int64_t> balanced(own_repeats.size(), 0);
  int64_t count = 0;
  for (size_t picture = 0; picture < own_repeats.size() && count < training_count; ++picture)
    count += balanced[picture] = own_repeats[picture];
  if (count >= training_count || own_repeats.empty()) return balanced;
  const auto pictures = static_cast<int64_t>(own_repeats.size());
  const int64_t missing = training_count - count;
  for (int64_t picture = 0; picture < pictures; ++picture)
    balanced[static_cast<size_t>(picture)] += missing / pictures + (picture < missing % pictures ? 1 : 0);
  return balanced;
}

}  // namespace sdlora::data
