#include "lora/kinds/dora.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

namespace sdlora::lora {
namespace {

struct FileMagnitude {
  Part part;
  at::Tensor values;  // [n]
  bool is_of_rows;
};

FileMagnitude magnitude_of(const ModuleParts& parts) {
  const bool is_of_peft = parts.has(Part::kPeftMagnitude);
  const Part part = is_of_peft ? Part::kPeftMagnitude : Part::kMagnitude;
  const at::Tensor given = parts.numbers(part, "dora_scale");
  const int64_t count = given.numel();
  const bool is_column = given.dim() >= 2 && given.size(0) == count;  // [n, 1 …]
  const bool is_row = given.dim() >= 2 && given.size(1) == count;     // [1, n, 1 …]
  parts.require(count > 0 && (given.dim() == 1 || is_column || is_row), part,
                "[out], [out, 1 …] or [1, in …]");
  return {.part = part, .values = given.flatten(), .is_of_rows = is_of_peft || given.dim() == 1 || is_column};
}

// The lengths of a weight's rows, or of what it has for each input: of the other axes' values.
at::Tensor lengths(const at::Tensor& weight, int64_t axis) {
  return weight.movedim(axis, 0).flatten(1).norm(2, 1);  // [n]
}

}  // namespace

std::optional<at::Tensor> row_magnitude(const ModuleParts& parts, int64_t output_count) {
  const FileMagnitude magnitude = magnitude_of(parts);
  if (!magnitude.is_of_rows) return std::nullopt;
  parts.require(magnitude.values.numel() == output_count, magnitude.part,
                fmt::format("{} values, as many as B has outputs", output_count));
  return magnitude.values;
}

WeightChange dora_change(const ModuleParts& parts, WeightChange change) {
  const auto [part, values, is_of_rows] = magnitude_of(parts);
  const int64_t axis = is_of_rows ? 0 : 1, count = values.size(0);
  const WeightChange plain = change;
  change.kind = "DoRA";
  change.shape += fmt::format(" with {} {}", count, is_of_rows ? "outputs" : "inputs");
  change.fits = [plain, axis, count](at::IntArrayRef shape) {
    return shape.size() >= 2 && shape[static_cast<size_t>(axis)] == count && plain.fits(shape);
  };
  change.edit = [plain, magnitude = values, axis](const at::Tensor& weight, double strength) {
    const at::Tensor merged = plain.edit(weight, 1);
    std::vector<int64_t> shape(static_cast<size_t>(weight.dim()), 1);
    shape[static_cast<size_t>(axis)] = magnitude.size(0);
    constexpr double kShortest = 1e-30;  // a row of zeros stays one
    const at::Tensor factor = magnitude / lengths(merged, axis).clamp_min(kShortest);
    return weight + (merged * factor.reshape(shape) - weight) * strength;
  };
  return change;
}

}  // namespace sdlora::lora
