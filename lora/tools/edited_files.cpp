#include "lora/tools/edited_files.h"

#include <ATen/ATen.h>

#include "common/error.h"

namespace sdlora::lora {

EditedFiles::EditedFiles(const model::Container& model, const AdapterEdits& edits,
                         std::optional<at::ScalarType> dtype)
    : edits_(edits), dtype_(dtype) {
  for (const model::ModelPart part : {model::ModelPart::kUnet, model::ModelPart::kTextEncoder}) {
    if (!model.has(part)) continue;
    for (const auto& [name, weight] : model.weights_of(part)) {
      if (!edits.touches(name)) continue;
      changes_[{weight.file->path().string(), weight.name_in_file}].push_back(
          {.name = name, .weight = weight});
      ++changed_count_;
    }
  }
}

std::vector<checkpoint::LazyTensor> EditedFiles::tensors_of(
    const std::shared_ptr<const checkpoint::TensorFile>& file) const {
  std::vector<checkpoint::LazyTensor> tensors;
  for (const auto& [name, description] : file->tensors()) {
    if (description.dtype == at::ScalarType::Undefined)
      throw Error(ExitCode::kBadData, {.what = "a tensor is of a type that cannot be read",
                                       .where = file->path().string() + ", tensor " + name});
    const at::ScalarType dtype =
        at::isFloatingType(description.dtype) ? dtype_.value_or(description.dtype) : description.dtype;
    tensors.push_back(
        {.name = name, .dtype = dtype, .shape = description.shape, .make = [this, file, name = name, dtype] {
           return edited(file->path().string(), name, file->tensor(name), dtype);
         }});
  }
  return tensors;
}

at::Tensor EditedFiles::edited(const std::string& file, const std::string& name, const at::Tensor& stored,
                               at::ScalarType dtype) const {
  const auto found = changes_.find({file, name});
  at::Tensor values = stored;
  if (found != changes_.end()) {
    values = stored.to(at::kFloat, /*non_blocking=*/false, /*copy=*/true);
    for (const Change& change : found->second) {
      const std::vector<int64_t>& shape = change.weight.shape;
      at::Tensor part = values.sizes() == at::IntArrayRef(shape)
                            ? values
                            : values.narrow(0, change.weight.first_row, shape.front()).view(shape);
      part.copy_(edits_.edited(change.name, part));
    }
  }
  if (values.scalar_type() == dtype) return values;
  at::Tensor converted = values.to(dtype);
  if (at::isfinite(values).all().item<bool>() && !at::isfinite(converted).all().item<bool>())
    throw Error(ExitCode::kBadData,
                {.what = "a weight has values that the type does not hold",
                 .expected = std::string("values within the range of ") + c10::toString(dtype),
                 .where = file + ", tensor " + name,
                 .advice = "use --save-dtype bf16 or float"});
  return converted;
}

}  // namespace sdlora::lora
