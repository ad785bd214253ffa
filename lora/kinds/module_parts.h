// The tensors that an adapter's file has for one module, by what they are.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "lora/names/adapter_part.h"

namespace sdlora::lora {

class ModuleParts {
 public:
  explicit ModuleParts(std::filesystem::path file) : file_(std::move(file)) {}

  // Throws Error(kBadData) when the module has this part already.
  void add(Part part, const std::string& tensor_name, const at::Tensor& tensor);

  bool has(Part part) const { return tensors_.contains(part); }

  bool has_any(std::initializer_list<Part> parts) const;

  // f32. Throws Error(kBadData) naming the tensor: not there (`whole` says what wants it), not numbers, or
  // not finite.
  at::Tensor numbers(Part part, const std::string& whole) const;

  // The same of one number. Throws Error(kBadData) when it is of several.
  double number(Part part) const;

  // The same as a matrix [rows, columns]: of kernels the first axis, and all others. Throws Error(kBadData)
  // when it has fewer than two axes.
  at::Tensor matrix(Part part, const std::string& whole) const;

  const std::string& name_of(Part part) const { return tensors_.at(part).name; }

  // In the order of the parts.
  std::vector<std::string> tensor_names() const;

  // Throws Error(kBadData) naming the part's tensor and the file.
  [[noreturn]] void refuse(Part part, const std::string& expected, const std::string& seen) const;

  // Throws Error(kBadData) unless `holds`.
  void require(bool holds, Part part, const std::string& expected) const;

 private:
  struct NamedTensor {
    std::string name;
    at::Tensor tensor;
  };

  std::filesystem::path file_;
  std::map<Part, NamedTensor> tensors_;
};

}  // namespace sdlora::lora
