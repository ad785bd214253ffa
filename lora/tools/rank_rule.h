// Which rank a module gets, by its singular values: sd-scripts' rules (networks/resize_lora.py).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <ATen/core/Tensor.h>

#include "common/words.h"

namespace sdlora::lora {

enum class DynamicRank {
  kRatio,       // those above the greatest / X
  kCumulative,  // as many as make the share X of their sum
  kFrobenius,   // as many as make the share X of the Frobenius norm
};

Words<DynamicRank> dynamic_rank_words();  // sv_ratio, sv_cumulative, sv_fro

struct RankRule {
  int64_t most = 4;  // the rank, or with `dynamic` the greatest
  std::optional<DynamicRank> dynamic = std::nullopt;
  double x = 0;  // of `dynamic`
};

// `singular_values` [n], descending, of a weight whose shorter side is `full_rank`. As there the rank is one
// more than the rule needs.
int64_t rank_by(const RankRule& rule, const at::Tensor& singular_values, int64_t full_rank);

}  // namespace sdlora::lora
