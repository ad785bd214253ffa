// The files of a model with adapters merged into them, tensor by tensor.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/safetensors.h"
#include "lora/adapter_edits.h"
#include "model/containers/container.h"

namespace sdlora::lora {

class EditedFiles {
 public:
  // Weights of the model's UNet and text encoder that `edits` touch. `edits` must outlive it, and what is
  // made of it.
  EditedFiles(const model::Container& model, const AdapterEdits& edits, std::optional<at::ScalarType> dtype);

  int64_t changed_count() const { return changed_count_; }

  // Every tensor of `file` by its name there, made when it is written. Throws Error(kBadData) for a type that
  // cannot be read; when it is made, for values that are not finite in the type.
  std::vector<checkpoint::LazyTensor> tensors_of(
      const std::shared_ptr<const checkpoint::TensorFile>& file) const;

 private:
  struct Change {
    std::string name;  // canonical
    model::StoredWeight weight;
  };

  // By the file's path and the tensor's name there, which may hold several weights in a stack.
  using Changes = std::map<std::pair<std::string, std::string>, std::vector<Change>>;

  at::Tensor edited(const std::string& file, const std::string& name, const at::Tensor& stored,
                    at::ScalarType dtype) const;

  const AdapterEdits& edits_;
  std::optional<at::ScalarType> dtype_;
  Changes changes_;
  int64_t changed_count_ = 0;
};

}  // namespace sdlora::lora
