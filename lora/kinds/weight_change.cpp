#include "lora/kinds/weight_change.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

namespace sdlora::lora {

WeightChange matrix_change(std::string kind, int64_t rows, int64_t columns, Edit edit) {
  return {.kind = std::move(kind),
          .shape = fmt::format("[{}, {}]", rows, columns),
          .fits =
              [rows, columns](at::IntArrayRef shape) {
                return !shape.empty() && shape[0] == rows &&
                       c10::multiply_integers(shape.slice(1)) == columns;
              },
          .edit = std::move(edit)};
}

WeightChange additive_change(std::string kind, int64_t rows, int64_t columns,
                             std::function<at::Tensor()> difference) {
  WeightChange change = matrix_change(std::move(kind), rows, columns, adding(difference));
  change.difference = std::move(difference);
  return change;
}

Edit adding(std::function<at::Tensor()> difference) {
  return [difference = std::move(difference)](const at::Tensor& weight, double strength) {
    return at::add(weight, difference().reshape(weight.sizes()), strength);
  };
}

}  // namespace sdlora::lora
