// The weights of one part of a model, wherever they lie: each under its canonical name, which is the one of
// diffusers' current layout, with its place in a file of any container and naming.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "checkpoint/tensor_file.h"

namespace sdlora::model {

struct StoredWeight {
  std::shared_ptr<const checkpoint::TensorFile> file;
  std::string name_in_file;
  at::ScalarType dtype;
  std::vector<int64_t> shape;  // as the architecture has it: rows of the file's tensor, or a view of them
  int64_t first_row = 0;       // of the tensor in the file, which may hold several matrices in a stack

  // A view of the mapped file where its format allows. Throws Error(kBadData).
  at::Tensor read() const;
};

using StoredWeights = std::map<std::string, StoredWeight>;  // by canonical name

// Under `name`, or, where that is taken already, under the one that it had before, to be reported as
// unexpected.
void keep(StoredWeights& weights, const std::string& name, const std::string& name_before,
          const StoredWeight& weight);

// All tensors of the files, under the names that they have there. Throws what open_tensor_file throws, and
// Error(kBadData) for a name that two files hold.
StoredWeights weights_in(const std::vector<std::filesystem::path>& files);

}  // namespace sdlora::model
