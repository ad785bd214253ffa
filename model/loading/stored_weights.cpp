#include "model/loading/stored_weights.h"

#include <ATen/ATen.h>

#include "common/error.h"

namespace sdlora::model {

at::Tensor StoredWeight::read() const {
  at::Tensor whole = file->tensor(name_in_file);
  if (whole.sizes() == at::IntArrayRef(shape)) return whole;
  return whole.narrow(0, first_row, shape.front()).reshape(shape);
}

void keep(StoredWeights& weights, const std::string& name, const std::string& name_before,
          const StoredWeight& weight) {
  weights.emplace(weights.contains(name) ? name_before : name, weight);
}

StoredWeights weights_in(const std::vector<std::filesystem::path>& files) {
  StoredWeights weights;
  for (const std::filesystem::path& path : files) {
    const std::shared_ptr<const checkpoint::TensorFile> file = checkpoint::open_tensor_file(path);
    for (const auto& [name, tensor] : file->tensors())
      if (!weights.try_emplace(name, StoredWeight{file, name, tensor.dtype, tensor.shape}).second)
        throw Error(ExitCode::kBadData,
                    {.what = "two weight files hold the same tensor", .seen = name, .where = path.string()});
  }
  return weights;
}

}  // namespace sdlora::model
