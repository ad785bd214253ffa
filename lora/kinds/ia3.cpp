#include "lora/kinds/ia3.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

namespace sdlora::lora {
namespace {

// `factor` [n] along the first axis of `weight`, or the second.
at::Tensor along(const at::Tensor& factor, const at::Tensor& weight, int64_t axis) {
  std::vector<int64_t> shape(static_cast<size_t>(weight.dim()), 1);
  shape[static_cast<size_t>(axis)] = factor.size(0);
  return weight * factor.reshape(shape);
}

WeightChange change_of_axis(const at::Tensor& factor, int64_t axis) {
  const int64_t count = factor.size(0);
  return {
      .kind = "IA3",
      .shape = axis == 0 ? fmt::format("[{}, …]", count) : fmt::format("[…, {}]", count),
      .fits =
          [count, axis](at::IntArrayRef shape) {
            return shape.size() >= 2 && shape[static_cast<size_t>(axis)] == count;
          },
      .edit = [factor, axis](const at::Tensor& weight,
                             double strength) { return weight + along(factor, weight, axis) * strength; }};
}

// A convolution's [1, n, 1, 1] does not say its axis; the weight does, unless it is square: then the outputs,
// PEFT's default.
ModuleChange convolution_change(const at::Tensor& factor, std::vector<std::string> tensor_names) {
  const int64_t count = factor.size(0);
  return {.weight = {.kind = "IA3",
                     .shape = fmt::format("[{0}, …] or […, {0}, …]", count),
                     .fits =
                         [count](at::IntArrayRef shape) {
                           return shape.size() >= 2 && (shape[0] == count || shape[1] == count);
                         },
                     .edit =
                         [factor, count](const at::Tensor& weight, double strength) {
                           return weight + along(factor, weight, weight.size(0) == count ? 0 : 1) * strength;
                         }},
          .bias =
              [factor, count](const at::Tensor& bias, double strength) {
                return bias.numel() == count ? bias + bias * factor * strength : bias;
              },
          .tensor_names = std::move(tensor_names)};
}

}  // namespace

ModuleChange ia3_change(const ModuleParts& parts) {
  const bool is_of_inputs = parts.number(Part::kOnInput) != 0;
  return {.weight = change_of_axis(parts.numbers(Part::kFactor, "weight and on_input").flatten(),
                                   is_of_inputs ? 1 : 0),
          .bias = {},
          .tensor_names = parts.tensor_names()};
}

ModuleChange peft_ia3_change(const ModuleParts& parts) {
  const at::Tensor given = parts.numbers(Part::kPeftFactor, "ia3_l");
  const at::Tensor factor = given.flatten() - 1;  // [n]
  parts.require(given.dim() == 2 || given.dim() == 4, Part::kPeftFactor, "[out, 1], [1, in] or [1, n, 1, 1]");
  if (given.dim() == 4) return convolution_change(factor, parts.tensor_names());
  ModuleChange change{.weight = {}, .bias = {}, .tensor_names = parts.tensor_names()};
  const bool is_of_inputs = given.size(0) == 1 && given.size(1) != 1;
  change.weight = change_of_axis(factor, is_of_inputs ? 1 : 0);
  if (is_of_inputs) return change;
  change.bias = [factor](const at::Tensor& bias, double strength) { return bias + bias * factor * strength; };
  change.bias_size = factor.size(0);
  return change;
}

}  // namespace sdlora::lora
