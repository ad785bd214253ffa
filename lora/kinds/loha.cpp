#include "lora/kinds/loha.h"

#include <ATen/ATen.h>

#include "lora/kinds/tucker.h"

namespace sdlora::lora {
namespace {

constexpr const char* kPartsOfLoha = "hada_w1_a, hada_w1_b, hada_w2_a and hada_w2_b";

struct Factor {
  at::Tensor a, b, core;  // core undefined: none
  int64_t rows, columns;

  at::Tensor product() const {  // [rows, columns]
    return core.defined() ? tucker_product(core, a, b).reshape({rows, columns}) : at::mm(a, b);
  }
};

Factor factor_of(const ModuleParts& parts, Part a_part, Part b_part, Part core_part) {
  Factor factor{.a = parts.matrix(a_part, kPartsOfLoha),
                .b = parts.matrix(b_part, kPartsOfLoha),
                .core = {},
                .rows = 0,
                .columns = 0};
  if (!parts.has(core_part)) {
    parts.require(factor.a.size(1) == factor.b.size(0), b_part, "[r, in] for a [out, r]");
    factor.rows = factor.a.size(0);
    factor.columns = factor.b.size(1);
    return factor;
  }
  factor.core = parts.numbers(core_part, kPartsOfLoha);
  parts.require(factor.core.dim() == 4 && factor.core.size(0) == factor.a.size(0) &&
                    factor.core.size(1) == factor.b.size(0),
                core_part, "[r, r, k, k] for a [r, out] and b [r, in]");
  factor.rows = factor.a.size(1);
  factor.columns = factor.b.size(1) * factor.core.size(2) * factor.core.size(3);
  return factor;
}

}  // namespace

int64_t loha_rank(const ModuleParts& parts) {
  return parts.matrix(Part::kLohaW1B, kPartsOfLoha).size(0);
}

WeightChange loha_change(const ModuleParts& parts, double scale) {
  const Factor first = factor_of(parts, Part::kLohaW1A, Part::kLohaW1B, Part::kLohaT1);
  const Factor second = factor_of(parts, Part::kLohaW2A, Part::kLohaW2B, Part::kLohaT2);
  parts.require(first.rows == second.rows && first.columns == second.columns, Part::kLohaW2A,
                "a second factor of the first one's shape");
  return additive_change("LoHa", first.rows, first.columns, [first, second, scale] {
    return first.product().mul_(second.product()).mul_(scale);
  });
}

}  // namespace sdlora::lora
