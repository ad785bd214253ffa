#include "lora/kinds/lokr.h"

#include <functional>

#include <ATen/ATen.h>

#include "lora/kinds/tucker.h"

namespace sdlora::lora {
namespace {

constexpr const char* kPartsOfLokr = "lokr_w1 and lokr_w2, or their factors a and b";

// Made when the weight is: a product of small factors may be of any size.
struct LokrFactor {
  int64_t rows, columns;
  std::function<at::Tensor()> make;  // [rows, columns]
};

LokrFactor whole_factor(const at::Tensor& matrix) {
  return {matrix.size(0), matrix.size(1), [matrix] { return matrix; }};
}

LokrFactor product_of(const ModuleParts& parts, Part a_part, Part b_part) {
  const at::Tensor a = parts.matrix(a_part, kPartsOfLokr), b = parts.matrix(b_part, kPartsOfLokr);
  parts.require(a.size(1) == b.size(0), b_part, "[r, columns] for a [rows, r]");
  return {a.size(0), b.size(1), [a, b] { return at::mm(a, b); }};
}

LokrFactor first_factor(const ModuleParts& parts) {  // [out1, in1]
  return parts.has(Part::kLokrW1) ? whole_factor(parts.matrix(Part::kLokrW1, kPartsOfLokr))
                                  : product_of(parts, Part::kLokrW1A, Part::kLokrW1B);
}

LokrFactor second_factor(const ModuleParts& parts) {  // [out2, in2 k k]
  if (parts.has(Part::kLokrW2)) return whole_factor(parts.matrix(Part::kLokrW2, kPartsOfLokr));
  if (!parts.has(Part::kLokrT2)) return product_of(parts, Part::kLokrW2A, Part::kLokrW2B);
  const at::Tensor core = parts.numbers(Part::kLokrT2, kPartsOfLokr);
  const at::Tensor a = parts.matrix(Part::kLokrW2A, kPartsOfLokr),
                   b = parts.matrix(Part::kLokrW2B, kPartsOfLokr);
  parts.require(core.dim() == 4 && core.size(0) == a.size(0) && core.size(1) == b.size(0), Part::kLokrT2,
                "[r, r, k, k] for a [r, out] and b [r, in]");
  return {a.size(1), b.size(1) * core.size(2) * core.size(3),
          [core, a, b] { return tucker_product(core, a, b).flatten(1); }};
}

// [o1, i1] ⊗ [o2, m] → [o1 o2, i1 m]: the axes of a kernel are within m, as they are in the weight.
at::Tensor kronecker(const at::Tensor& first, const at::Tensor& second) {
  return (first.unsqueeze(1).unsqueeze(3) * second.unsqueeze(0).unsqueeze(2))
      .reshape({first.size(0) * second.size(0), first.size(1) * second.size(1)});
}

}  // namespace

std::optional<int64_t> lokr_rank(const ModuleParts& parts) {
  if (parts.has(Part::kLokrW2B)) return parts.matrix(Part::kLokrW2B, kPartsOfLokr).size(0);
  if (parts.has(Part::kLokrW1B)) return parts.matrix(Part::kLokrW1B, kPartsOfLokr).size(0);
  return std::nullopt;
}

WeightChange lokr_change(const ModuleParts& parts, double scale) {
  const LokrFactor first = first_factor(parts), second = second_factor(parts);
  return additive_change("LoKr", first.rows * second.rows, first.columns * second.columns,
                         [=] { return kronecker(first.make(), second.make()).mul_(scale); });
}

}  // namespace sdlora::lora
