// What an adapter makes of one weight: W' = W + m ΔW with the strength m. One file for each kind; the
// formulas are those of LyCORIS' modules and of PEFT's layers, named in each.
#pragma once

#include <functional>
#include <string>

#include <ATen/core/Tensor.h>

namespace sdlora::lora {

// W' for W (or b' for a bias b): f32, of the same shape.
using Edit = std::function<at::Tensor(const at::Tensor& weight, double strength)>;

struct WeightChange {
  std::string kind;   // "LoHa"
  std::string shape;  // that the weight must have, for messages: "[320, 768]"
  std::function<bool(at::IntArrayRef weight_shape)> fits;
  Edit edit;
  std::function<at::Tensor()> difference = {};  // ΔW f32, as many values as W; empty: it depends on W
};

// Of weights with `rows` outputs and, in all other axes together, `columns` values for each.
WeightChange matrix_change(std::string kind, int64_t rows, int64_t columns, Edit edit);

// The same where ΔW is `difference`, whatever the weight is.
WeightChange additive_change(std::string kind, int64_t rows, int64_t columns,
                             std::function<at::Tensor()> difference);

// The edit that adds m times `difference`, of as many values as the weight.
Edit adding(std::function<at::Tensor()> difference);

}  // namespace sdlora::lora
