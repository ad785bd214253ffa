#include "lora/kinds/glora.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "lora/kinds/tucker.h"

namespace sdlora::lora {
namespace {

constexpr const char* kPartsOfGlora = "a1, a2, b1 and b2";

struct GloraFactors {
  at::Tensor a_left, a_right;  // [in, r], [r, in]
  at::Tensor b_left, b_right;  // [out, r], [r, in]
};

GloraFactors factors_of(const ModuleParts& parts) {
  const at::Tensor a1 = parts.matrix(Part::kGloraA1, kPartsOfGlora),
                   a2 = parts.matrix(Part::kGloraA2, kPartsOfGlora);
  const at::Tensor b1 = parts.matrix(Part::kGloraB1, kPartsOfGlora),
                   b2 = parts.matrix(Part::kGloraB2, kPartsOfGlora);
  const bool is_new = a1.size(1) == a2.size(0) && b1.size(1) == a2.size(0) && b2.size(0) == a2.size(0) &&
                      a1.size(0) == a2.size(1);
  const bool is_old = a2.size(1) == a1.size(0) && b2.size(1) == a1.size(0) && b1.size(0) == a1.size(0) &&
                      a2.size(0) == a1.size(1);
  parts.require(is_new || is_old, Part::kGloraA1, "[in, r] for a2 [r, in], b1 [out, r] and b2 [r, in]");
  // Of a square weight both fit, and the rank is the smaller side.
  if (is_new && (!is_old || a2.size(0) <= a1.size(0)))
    return {.a_left = a1, .a_right = a2, .b_left = b1, .b_right = b2};
  return {.a_left = a2, .a_right = a1, .b_left = b2, .b_right = b1};
}

}  // namespace

int64_t glora_rank(const ModuleParts& parts) {
  return factors_of(parts).a_right.size(0);
}

WeightChange glora_change(const ModuleParts& parts, double scale) {
  const GloraFactors f = factors_of(parts);
  at::Tensor core;
  int64_t columns = f.b_right.size(1);
  if (parts.has(Part::kGloraMid)) {
    core = parts.numbers(Part::kGloraMid, kPartsOfGlora);
    parts.require(core.dim() == 4 && core.size(0) == f.b_left.size(1) && core.size(1) == f.b_right.size(0),
                  Part::kGloraMid, "[r, r, k, k]");
    columns *= core.size(2) * core.size(3);
  }
  const int64_t inputs = f.a_left.size(0);
  WeightChange change = matrix_change(
      "GLoRA", f.b_left.size(0), columns, [f, core, scale](const at::Tensor& weight, double strength) {
        const at::Tensor added =
            core.defined() ? tucker_product(core, f.b_left.t(), f.b_right) : at::mm(f.b_left, f.b_right);
        // Over the inputs, and back to their place: [out, in, …] → [out, …, r] → [out, …, in].
        const at::Tensor mixed =
            at::tensordot(at::tensordot(weight, f.a_left, {1}, {0}), f.a_right, {weight.dim() - 1}, {0})
                .movedim(-1, 1);
        return weight + (added.reshape(weight.sizes()) + mixed.reshape(weight.sizes())) * (strength * scale);
      });
  change.fits = [fits_matrix = change.fits, inputs](at::IntArrayRef shape) {
    return shape.size() >= 2 && shape[1] == inputs && fits_matrix(shape);
  };
  return change;
}

}  // namespace sdlora::lora
