#include "lora/kinds/full_difference.h"

#include <ATen/ATen.h>

namespace sdlora::lora {
namespace {

int64_t columns_of(const at::Tensor& values) {
  return values.size(0) == 0 ? 0 : values.numel() / values.size(0);
}

WeightChange change_by(const at::Tensor& values, bool is_value) {
  if (!is_value)
    return additive_change("whole weight differences", values.size(0), columns_of(values),
                           [values] { return values; });
  return matrix_change("whole weights", values.size(0), columns_of(values),
                       [values](const at::Tensor& weight, double strength) {
                         return weight + (values.reshape(weight.sizes()) - weight) * strength;
                       });
}

}  // namespace

ModuleChange full_change(const ModuleParts& parts) {
  ModuleChange change{.weight = {}, .bias = {}, .tensor_names = parts.tensor_names()};
  for (const Part part : {Part::kDifference, Part::kValue}) {
    if (!parts.has(part)) continue;
    const at::Tensor values = parts.numbers(part, "diff");
    parts.require(values.dim() >= 1, part, "the shape of the weight");
    change.weight = change_by(values, part == Part::kValue);
  }
  return change;
}

ModuleChange peft_whole_change(const ModuleParts& parts) {
  ModuleChange change{.weight = {}, .bias = {}, .tensor_names = parts.tensor_names()};
  if (parts.has(Part::kFactor)) {
    const at::Tensor values = parts.numbers(Part::kFactor, "a weight");
    parts.require(values.dim() >= 1, Part::kFactor, "the shape of the weight");
    change.weight = change_by(values, /*is_value=*/true);
  }
  if (!parts.has(Part::kBiasValue)) return change;
  const WeightChange bias = change_by(parts.numbers(Part::kBiasValue, "a bias").flatten(), /*is_value=*/true);
  change.bias = bias.edit;
  change.bias_size = parts.numbers(Part::kBiasValue, "a bias").numel();
  return change;
}

void add_to_bias(ModuleChange& change, const at::Tensor& difference) {
  const Edit added = adding([difference] { return difference; });
  const Edit before = change.bias;
  change.bias = !before ? added : [before, added](const at::Tensor& bias, double strength) {
    return added(before(bias, strength), strength);
  };
  change.bias_size = difference.numel();
}

}  // namespace sdlora::lora
