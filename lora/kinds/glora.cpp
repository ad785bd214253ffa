#include "lora/kinds/glora.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "lora/kinds/tucker.h"

namespace sdlora::lora {
namespace {

constexpr const char* kPartsOfGlora = "a1, a2, b1 and b2";

struct Factors {
  at::Tensor a_left, a_right;  // [in, r], [r, in]
  at::Tensor b_left, b_right;  // [out, r], [r, in]
};

Factors factors_of(const ModuleParts& parts) {
  const at::Tensor a1 = parts.matrix(Part::kGloraA1, kPartsOfGlora),
                   a2 = parts.matrix(Part::kGloraA2, kPartsOfGlora);
  const at::Tensor b1 = parts.matrix(Part::kGloraB1, kPartsOfGlora),
                   b2 = parts.matrix(Part::kGloraB2, kPartsOfGlora);
  const int64_t rank = a2.size(0), old_rank = a1.size(0);
  if (a1.size(1) == rank && b1.size(1) == rank && b2.size(0) == rank && a1.size(0) == a2.size(1))
    return {.a_left = a1, .a_right = a2, .b_left = b1, .b_right = b2};
  parts.require(
      a2.size(1) == old_rank && b2.size(1) == old_rank && b1.size(0) == old_rank && a2.size(0) == a1.size(1),
      Part::kGloraA1, "[in, r] for a2 [r, in], b1 [out, r] and b2 [r, in]");
  return {.a_left = a2, .a_right = a1, .b_left = b2, .b_right = b1};
}

}  // namespace

int64_t glora_rank(const ModuleParts& parts) {
  return factors_of(parts).a_right.size(0);
}

WeightChange glora_change(const ModuleParts& parts, double scale) {
  const Factors f = factors_of(parts);
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
        const at::Tensor kernel = weight.flatten(2);  // [out, in] or [out, in, k k]
        const at::Tensor mixed =                      // over the inputs, then back to their place
            at::tensordot(at::tensordot(kernel, f.a_left, {1}, {0}), f.a_right, {-1}, {0}).movedim(-1, 1);
        return weight + (added.reshape(weight.sizes()) + mixed.reshape(weight.sizes())) * (strength * scale);
      });
  change.fits = [fits_matrix = change.fits, inputs](at::IntArrayRef shape) {
    return shape.size() >= 2 && shape[1] == inputs && fits_matrix(shape);
  };
  return change;
}

}  // namespace sdlora::lora
