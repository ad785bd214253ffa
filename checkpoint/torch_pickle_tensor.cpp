#include "checkpoint/torch_pickle_tensor.h"

#include <algorithm>
#include <cstring>

#include <ATen/ops/empty.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "checkpoint/printable.h"
#include "common/error.h"

namespace sdlora::checkpoint {
namespace {

int64_t bytes_of_element(at::ScalarType dtype) {
  return static_cast<int64_t>(c10::elementSize(dtype));
}

bool is_empty(const TensorView& view) {
  return std::find(view.shape.begin(), view.shape.end(), 0) != view.shape.end();
}

// Whether the view lies within a storage of `element_count` and has a size that can be computed with.
bool fits(const TensorView& view, int64_t element_count, int64_t element_bytes) {
  if (view.shape.size() != view.strides.size() || view.begin_element < 0) return false;
  int64_t bytes = element_bytes;
  int64_t last_element = view.begin_element;
  for (size_t i = 0; i < view.shape.size(); ++i) {
    const int64_t size = view.shape[i];
    int64_t reach = 0;
    if (size < 0 || view.strides[i] < 0 ||
        __builtin_mul_overflow(bytes, std::max<int64_t>(size, 1), &bytes) ||
        __builtin_mul_overflow(std::max<int64_t>(size, 1) - 1, view.strides[i], &reach) ||
        __builtin_add_overflow(last_element, reach, &last_element)) {
      return false;
    }
  }
  return is_empty(view) || last_element < element_count;
}

[[noreturn]] void refuse_view(const TensorView& view, int64_t element_count, const std::string& what,
                              const std::filesystem::path& file) {
  throw Error(ExitCode::kBadData,
              {.what = what,
               .expected = fmt::format("a view of {} elements", element_count),
               .seen = fmt::format("shape [{}], strides [{}], from element {}", fmt::join(view.shape, ", "),
                                   fmt::join(view.strides, ", "), view.begin_element),
               .where = file.string()});
}

}  // namespace

int64_t check_tensor(const TensorPickle& pickle, const PickledTensor& tensor, uint64_t byte_count,
                     const std::filesystem::path& file) {
  const PickledStorage& storage = pickle.storages[tensor.storage];
  const auto storage_element_bytes = static_cast<uint64_t>(bytes_of_element(storage.dtype));
  if (storage.element_count < 0 || byte_count % storage_element_bytes != 0 ||
      byte_count / storage_element_bytes != static_cast<uint64_t>(storage.element_count)) {
    throw Error(ExitCode::kBadData, {.what = "the .pt file contradicts itself about a storage's size",
                                     .expected = fmt::format("{} elements of {} bytes", storage.element_count,
                                                             storage_element_bytes),
                                     .seen = fmt::format("{} bytes", byte_count),
                                     .where = file.string() + ", record data/" + printable(storage.key)});
  }
  const int64_t element_bytes = bytes_of_element(tensor.dtype);
  const int64_t element_count = static_cast<int64_t>(byte_count) / element_bytes;
  if (!fits(tensor.view, element_count, element_bytes))
    refuse_view(tensor.view, element_count, "a tensor of the .pt file does not lie within its storage", file);
  return element_count;
}

void check_readable(const PickledTensor& tensor, const std::string& name, int64_t storage_elements,
                    const std::filesystem::path& file) {
  if (!tensor.made_by.empty()) {
    throw Error(ExitCode::kBadData,
                {.what = "the .pt file has a tensor of a kind that is not read",
                 .expected = "dense tensors, neither sparse nor quantized",
                 .seen = printable(tensor.made_by) + ", which was not run",
                 .where = file.string() + ", tensor " + printable(name),
                 .advice = "save it in Python as plain tensors: torch.save({name: tensor, ...}, file)"});
  }
  if (c10::multiply_integers(tensor.view.shape) > storage_elements) {
    refuse_view(tensor.view, storage_elements,
                "a tensor of the .pt file does not lie within its storage: it repeats it", file);
  }
}

NamedTensors copy_tensors(const TensorPickle& pickle, const RecordReader& read_record,
                          const std::filesystem::path& file) {
  std::map<std::string, at::Tensor> bytes_of_key;
  NamedTensors tensors;
  for (const auto& [name, tensor] : pickle.tensors) {
    if (!tensor.made_by.empty()) check_readable(tensor, name, 0, file);
    const std::string& key = pickle.storages[tensor.storage].key;
    const std::string_view record = read_record("data/" + key);
    check_readable(tensor, name, check_tensor(pickle, tensor, record.size(), file), file);
    if (is_empty(tensor.view)) {
      tensors.emplace(name, at::empty(tensor.view.shape, tensor.dtype));
      continue;
    }
    at::Tensor& bytes = bytes_of_key[key];
    if (!bytes.defined()) {
      bytes = at::empty({static_cast<int64_t>(record.size())}, at::kByte);
      std::memcpy(bytes.mutable_data_ptr(), record.data(), record.size());
    }
    // A record's last bytes that make no whole element belong to no tensor.
    const int64_t element_bytes = bytes_of_element(tensor.dtype);
    const at::Tensor elements =
        bytes.narrow(0, 0, bytes.numel() / element_bytes * element_bytes).view(tensor.dtype);
    tensors.emplace(name,
                    elements.as_strided(tensor.view.shape, tensor.view.strides, tensor.view.begin_element));
  }
  return tensors;
}

}  // namespace sdlora::checkpoint
