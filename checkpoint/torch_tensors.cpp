#include "checkpoint/torch_tensors.h"

#include <algorithm>
#include <cstring>
#include <mutex>
#include <set>

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include "checkpoint/mapped_file.h"
#include "checkpoint/torch_contents.h"
#include "checkpoint/zip_archive.h"
#include "common/error.h"

namespace sdlora::checkpoint {
namespace {

namespace fs = std::filesystem;

// A model's description is some 0.5 MB, with the state of an optimizer a few; 64 MiB are no description, and
// would cost memory before they are refused.
constexpr size_t kMostModelPickleBytes = size_t{64} << 20;

bool is_contiguous(const TensorView& view) {
  int64_t expected = 1;
  for (size_t i = view.shape.size(); i-- > 0;) {
    if (view.shape[i] != 1 && view.strides[i] != expected) return false;
    expected *= view.shape[i];
  }
  return true;
}

class TorchTensors : public TensorFile {
 public:
  TorchTensors(const fs::path& path, const PosixFile& opened)
      : TensorFile(path),
        mapping_(std::make_shared<const MappedFile>(opened)),
        contents_(read_torch_contents({reinterpret_cast<const char*>(mapping_->data()), opened.byte_count()},
                                      kMostModelPickleBytes, Verify::kPickle, path)) {
    for (const auto& [name, tensor] : contents_.pickle.tensors)
      tensors_.emplace(name, TensorDescription{tensor.dtype, tensor.view.shape});
  }

  const std::map<std::string, TensorDescription>& tensors() const override { return tensors_; }

  const Metadata& metadata() const override { return metadata_; }

  at::Tensor tensor(const std::string& name) const override {
    const auto found = contents_.pickle.tensors.find(name);
    if (found == contents_.pickle.tensors.end()) {
      throw Error(ExitCode::kBadData,
                  {.what = "the file lacks a tensor", .expected = name, .where = path().string()});
    }
    const PickledTensor& tensor = found->second;
    if (!tensor.made_by.empty()) check_readable(tensor, name, 0, path());
    const std::string& key = contents_.pickle.storages[tensor.storage].key;
    const StorageBytes& storage = contents_.storages.at(key);
    const auto element_bytes = static_cast<int64_t>(c10::elementSize(tensor.dtype));
    check_readable(tensor, name, static_cast<int64_t>(storage.byte_count) / element_bytes, path());
    if (c10::multiply_integers(tensor.view.shape) == 0) return at::empty(tensor.view.shape, tensor.dtype);
    verify(key, storage);
    return is_contiguous(tensor.view) && is_aligned(tensor, storage) ? mapped(tensor, storage)
                                                                     : copied(tensor, storage);
  }

 private:
  static uint64_t begin_byte_of(const PickledTensor& tensor, const StorageBytes& storage) {
    return storage.begin_byte +
           static_cast<uint64_t>(tensor.view.begin_element) * c10::elementSize(tensor.dtype);
  }

  bool is_aligned(const PickledTensor& tensor, const StorageBytes& storage) const {
    const std::byte* data = mapping_->data() + begin_byte_of(tensor, storage);
    return reinterpret_cast<uintptr_t>(data) % c10::elementSize(tensor.dtype) == 0;
  }

  void verify(const std::string& key, const StorageBytes& storage) const {
    const std::scoped_lock lock(mutex_);
    if (verified_.contains(key)) return;
    check_crc32({reinterpret_cast<const char*>(mapping_->data()) + storage.begin_byte, storage.byte_count},
                storage.checksum, "data/" + key, path());
    verified_.insert(key);
  }

  at::Tensor mapped(const PickledTensor& tensor, const StorageBytes& storage) const {
    const uint64_t begin = begin_byte_of(tensor, storage);
    const auto count =
        static_cast<uint64_t>(c10::multiply_integers(tensor.view.shape)) * c10::elementSize(tensor.dtype);
    // from_blob wants a writable address; the pages stay read-only.
    return at::from_blob(
        const_cast<std::byte*>(mapping_->data() + begin), tensor.view.shape,
        [mapping = mapping_, begin, count](void*) { mapping->release(begin, count); },
        at::TensorOptions(tensor.dtype));
  }

  // Only the part of the storage that the view spans: many tensors may share a large one.
  at::Tensor copied(const PickledTensor& tensor, const StorageBytes& storage) const {
    const TensorView& view = tensor.view;
    int64_t elements = 1;
    for (size_t i = 0; i < view.shape.size(); ++i) elements += (view.shape[i] - 1) * view.strides[i];
    const at::Tensor span = at::empty({elements}, tensor.dtype);
    const uint64_t begin = begin_byte_of(tensor, storage);
    std::memcpy(span.mutable_data_ptr(), mapping_->data() + begin, span.nbytes());
    mapping_->release(begin, span.nbytes());
    return span.as_strided(view.shape, view.strides, 0).contiguous();
  }

  std::shared_ptr<const MappedFile> mapping_;
  TorchContents contents_;
  std::map<std::string, TensorDescription> tensors_;
  Metadata metadata_;
  mutable std::mutex mutex_;
  mutable std::set<std::string> verified_;  // storages, by key
};

}  // namespace

std::shared_ptr<const TensorFile> map_torch_file(const fs::path& file) {
  return std::make_shared<const TorchTensors>(file, PosixFile::open_to_read(file));
}

}  // namespace sdlora::checkpoint
