// Tensors as torch.save describes them: a storage (a record of the archive) and a strided view of it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include "checkpoint/torch_pickle.h"

namespace sdlora::checkpoint {

struct TensorView {
  int64_t begin_element;
  std::vector<int64_t> shape;
  std::vector<int64_t> strides;  // in elements
};

// "torch.FloatStorage" and its like.
std::optional<at::ScalarType> dtype_of_storage_class(std::string_view name);

// Copies every storage out of the archive once, and checks every view of it. Throws Error(kBadData).
class StorageTable {
 public:
  StorageTable(RecordReader read_record, std::filesystem::path file)
      : read_record_(std::move(read_record)), file_(std::move(file)) {}

  at::Tensor storage(const std::string& key, at::ScalarType dtype, int64_t element_count);  // [element_count]
  at::Tensor tensor(const at::Tensor& storage, const TensorView& view) const;

 private:
  RecordReader read_record_;
  std::filesystem::path file_;
  std::map<std::pair<std::string, at::ScalarType>, at::Tensor> storages_;
};

}  // namespace sdlora::checkpoint
