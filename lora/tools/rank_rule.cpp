#include "lora/tools/rank_rule.h"

#include <algorithm>

#include <ATen/ATen.h>

namespace sdlora::lora {
namespace {

constexpr double kNothing = 1e-6;  // a greatest singular value that is none

// How many of `parts` [n] it takes until their sum is the share `share` of all.
int64_t count_to_share(const at::Tensor& parts, double share) {
  const at::Tensor sums = parts.cumsum(0) / parts.sum();
  return (sums < share).sum().item<int64_t>() + 1;
}

int64_t needed_by(DynamicRank rule, double x, const at::Tensor& s) {
  switch (rule) {
    case DynamicRank::kRatio:
      return (s > s[0] / x).sum().item<int64_t>();
    case DynamicRank::kCumulative:
      return count_to_share(s, x);
    case DynamicRank::kFrobenius:
      return count_to_share(s.square(), x * x);
  }
  return 1;
}

}  // namespace

Words<DynamicRank> dynamic_rank_words() {
  return {{"sv_ratio", DynamicRank::kRatio},
          {"sv_cumulative", DynamicRank::kCumulative},
          {"sv_fro", DynamicRank::kFrobenius}};
}

int64_t rank_by(const RankRule& rule, const at::Tensor& singular_values, int64_t full_rank) {
  const int64_t most = std::min(rule.most, full_rank);
  if (!rule.dynamic) return most;
  if (singular_values.size(0) == 0 || singular_values[0].item<double>() <= kNothing) return 1;
  const int64_t needed = needed_by(*rule.dynamic, rule.x, singular_values);
  return std::min(std::clamp<int64_t>(needed, 1, std::max<int64_t>(full_rank - 1, 1)) + 1, most);
}

}  // namespace sdlora::lora
