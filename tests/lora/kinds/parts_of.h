// The parts of a module for a test.
#pragma once

#include <ATen/ATen.h>

#include "lora/kinds/module_parts.h"
#include "lora/kinds/read_module.h"

namespace sdlora::lora {

inline ModuleParts parts_of(const std::vector<std::pair<Part, at::Tensor>>& tensors) {
  ModuleParts parts("adapter.safetensors");
  for (const auto& [part, tensor] : tensors)
    parts.add(part, "tensor" + std::to_string(static_cast<int>(part)), tensor);
  return parts;
}

// Without an alpha of its own a module has scale 1.
inline ModuleContext plain_context() {
  return {.default_alpha = [](int64_t rank) { return static_cast<double>(rank); }};
}

inline at::Tensor matrix(std::initializer_list<std::initializer_list<double>> rows) {
  std::vector<at::Tensor> stacked;
  for (const auto& row : rows) stacked.push_back(at::tensor(std::vector<double>(row), at::kFloat));
  return at::stack(stacked);
}

inline at::Tensor number(double value) {
  return at::scalar_tensor(value, at::kFloat);
}

// ΔW of `weight`, in its shape.
inline at::Tensor difference_for(const std::vector<std::pair<Part, at::Tensor>>& tensors,
                                 const at::Tensor& weight) {
  const ModuleRead read = read_module(parts_of(tensors), plain_context());
  const WeightChange change = read.pair ? low_rank_change(*read.pair) : read.change.value().weight;
  TORCH_CHECK(change.fits(weight.sizes()), "it does not fit");
  return change.edit(weight, 1) - weight;
}

inline double distance(const at::Tensor& seen, const at::Tensor& expected) {
  return (seen - expected).abs().max().item<double>();
}

}  // namespace sdlora::lora
