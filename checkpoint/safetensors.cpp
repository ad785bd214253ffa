#include "checkpoint/safetensors.h"

#include <cstring>
#include <utility>

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include "checkpoint/mapped_file.h"
#include "checkpoint/printable.h"
#include "checkpoint/safetensors_dtypes.h"
#include "checkpoint/safetensors_header.h"
#include "common/error.h"
#include "common/posix_file.h"

namespace sdlora::checkpoint {
namespace {

void check_type(const TensorInfo& info, const std::string& name, const std::filesystem::path& file) {
  if (info.dtype != at::ScalarType::Undefined) return;
  throw Error(ExitCode::kBadData, {.what = "the tensor has a type that is not supported",
                                   .expected = "one of " + safetensors_dtype_names(),
                                   .seen = std::string(info.stored_type),
                                   .where = file.string() + ", tensor " + printable(name)});
}

}  // namespace

SafetensorsFile::SafetensorsFile(const std::filesystem::path& file) : path_(file) {
  const PosixFile opened = PosixFile::open_to_read(file);
  SafetensorsHeader header = read_safetensors_header(opened);
  mapping_ = std::make_shared<const MappedFile>(opened);
  tensors_ = std::move(header.tensors);
  metadata_ = std::move(header.metadata);
}

at::Tensor SafetensorsFile::tensor(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) {
    throw Error(ExitCode::kBadData,
                {.what = "the file lacks a tensor", .expected = name, .where = path_.string()});
  }
  const TensorInfo& info = found->second;
  check_type(info, name, path_);
  const std::byte* data = mapping_->data() + info.begin_byte;
  const bool is_aligned = reinterpret_cast<uintptr_t>(data) % c10::elementSize(info.dtype) == 0;
  if (!is_aligned || info.byte_count == 0) {
    at::Tensor copy = at::empty(info.shape, info.dtype);
    if (info.byte_count > 0) std::memcpy(copy.mutable_data_ptr(), data, info.byte_count);
    return copy;
  }
  // from_blob wants a writable address; the pages stay read-only.
  return at::from_blob(
      const_cast<std::byte*>(data), info.shape,
      [mapping = mapping_, begin = info.begin_byte, count = info.byte_count](void*) {
        mapping->release(begin, count);
      },
      at::TensorOptions(info.dtype));
}

NamedTensors read_safetensors(const std::filesystem::path& file, Metadata* metadata) {
  const PosixFile opened = PosixFile::open_to_read(file);
  SafetensorsHeader header = read_safetensors_header(opened);
  NamedTensors tensors;
  for (const auto& [name, info] : header.tensors) {
    check_type(info, name, file);
    at::Tensor tensor = at::empty(info.shape, info.dtype);
    opened.read_at(info.begin_byte, tensor.mutable_data_ptr(), info.byte_count);
    tensors.emplace(name, std::move(tensor));
  }
  if (metadata != nullptr) *metadata = std::move(header.metadata);
  return tensors;
}

}  // namespace sdlora::checkpoint
