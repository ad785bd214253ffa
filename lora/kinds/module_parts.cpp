#include "lora/kinds/module_parts.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "checkpoint/printable.h"
#include "common/error.h"

namespace sdlora::lora {

void ModuleParts::add(Part part, const std::string& tensor_name, const at::Tensor& tensor) {
  const auto [place, is_new] = tensors_.emplace(part, NamedTensor{tensor_name, tensor});
  if (!is_new) {
    const std::string other = place->second.name;
    place->second.name = tensor_name;
    refuse(part, "one tensor for each part of a module", "also " + other);
  }
}

bool ModuleParts::has_any(std::initializer_list<Part> parts) const {
  return std::any_of(parts.begin(), parts.end(), [&](Part part) { return has(part); });
}

at::Tensor ModuleParts::numbers(Part part, const std::string& whole) const {
  const auto found = tensors_.find(part);
  if (found == tensors_.end()) refuse(tensors_.begin()->first, whole + " of every module", "not all of them");
  const at::Tensor& tensor = found->second.tensor;
  const bool is_whole = at::isIntegralType(tensor.scalar_type(), /*includeBool=*/true);
  if (!at::isFloatingType(tensor.scalar_type()) && !(is_whole && tensor.numel() == 1))  // diffusers' alphas
    refuse(part, "floating-point numbers", at::toString(tensor.scalar_type()));
  at::Tensor values = tensor.to(at::kFloat).contiguous();
  if (!at::isfinite(values).all().item<bool>()) refuse(part, "finite numbers", "infinite or not a number");
  return values;
}

double ModuleParts::number(Part part) const {
  const at::Tensor& tensor = tensors_.at(part).tensor;
  if (tensor.numel() != 1) refuse(part, "one number", fmt::format("shape {}", c10::str(tensor.sizes())));
  return numbers(part, "").item<double>();
}

at::Tensor ModuleParts::matrix(Part part, const std::string& whole) const {
  const at::Tensor values = numbers(part, whole);
  if (values.dim() < 2) refuse(part, "a matrix, or the kernel of a convolution", c10::str(values.sizes()));
  return values.flatten(1);
}

std::vector<std::string> ModuleParts::tensor_names() const {
  std::vector<std::string> names;
  names.reserve(tensors_.size());
  for (const auto& [part, tensor] : tensors_) names.push_back(tensor.name);
  return names;
}

void ModuleParts::require(bool holds, Part part, const std::string& expected) const {
  if (!holds) refuse(part, expected, c10::str(tensors_.at(part).tensor.sizes()));
}

void ModuleParts::refuse(Part part, const std::string& expected, const std::string& seen) const {
  throw Error(ExitCode::kBadData,
              {.what = "an adapter's tensor is not usable",
               .expected = expected,
               .seen = checkpoint::printable(seen),
               .where = fmt::format("tensor {} of {}", checkpoint::printable(tensors_.at(part).name),
                                    file_.string())});
}

}  // namespace sdlora::lora
