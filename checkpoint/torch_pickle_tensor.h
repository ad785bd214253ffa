// Tensors as torch.save describes them: a storage (a record of the archive) and a strided view of it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "checkpoint/named_tensors.h"

namespace sdlora::checkpoint {

struct TensorView {
  int64_t begin_element;
  std::vector<int64_t> shape;
  std::vector<int64_t> strides;  // in elements
};

struct PickledStorage {
  std::string key;  // its record is data/KEY
  at::ScalarType dtype;
  int64_t element_count;
  int64_t first_element;  // torch before 1.6: the storage is a view that begins here; else 0

  bool operator<(const PickledStorage& other) const {
    return std::tie(key, dtype, element_count, first_element) <
           std::tie(other.key, other.dtype, other.element_count, other.first_element);
  }
};

struct PickledTensor {
  size_t storage;  // in TensorPickle::storages
  at::ScalarType dtype;
  TensorView view;
  std::string made_by;  // of a tensor that cannot be read (sparse, quantized): what would make it; else empty
};

struct TensorPickle {
  std::vector<PickledStorage> storages;  // every one that is named, also by what is no tensor of ours
  std::map<std::string, PickledTensor> tensors;
};

// Elements of the tensor's type in its storage, which has `byte_count` bytes. Throws Error(kBadData) when
// these are not as many as the pickle says, or the tensor does not lie within them.
int64_t check_tensor(const TensorPickle& pickle, const PickledTensor& tensor, uint64_t byte_count,
                     const std::filesystem::path& file);

// Throws Error(kBadData) for what can only be described: sparse tensors, and those that repeat their storage
// into something larger, which would be a small file's way to take much memory.
void check_readable(const PickledTensor& tensor, const std::string& name, int64_t storage_elements,
                    const std::filesystem::path& file);

// The bytes of the archive's record of that name; throws when it is missing.
using RecordReader = std::function<std::string_view(const std::string& name)>;

// Copies every storage that a tensor needs once; strides and shared storages are as they were saved. Throws
// Error(kBadData).
NamedTensors copy_tensors(const TensorPickle& pickle, const RecordReader& read_record,
                          const std::filesystem::path& file);

}  // namespace sdlora::checkpoint
