// The safetensors format (huggingface/safetensors, src/tensor.rs): u64 header length, JSON header, raw data.
// The reader refuses everything the reference refuses, and duplicate names and NUL in them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "checkpoint/named_tensors.h"

namespace sdlora::checkpoint {

class MappedFile;

struct TensorInfo {
  at::ScalarType dtype;  // Undefined for a type that is described, but not read
  std::vector<int64_t> shape;
  uint64_t begin_byte;  // from the start of the file
  uint64_t byte_count;
  std::string_view stored_type;  // the format's name: "F16"
};

// A file mapped read-only: ranks of one host share the page cache's copy.
class SafetensorsFile {
 public:
  // Throws Error(kBadData) naming the file and the flaw, Error(kIo) when it cannot be opened.
  explicit SafetensorsFile(const std::filesystem::path& file);

  const std::filesystem::path& path() const { return path_; }

  const std::map<std::string, TensorInfo>& tensors() const { return tensors_; }

  const Metadata& metadata() const { return metadata_; }

  // A view of the mapping, which lives as long as any view does. Writing to it is a fault: the pages are
  // read-only. Copied instead where the data is not aligned for its type. Throws Error(kBadData) for an
  // unknown name or a type that is not read.
  at::Tensor tensor(const std::string& name) const;

 private:
  std::filesystem::path path_;
  std::shared_ptr<const MappedFile> mapping_;
  std::map<std::string, TensorInfo> tensors_;
  Metadata metadata_;
};

// Every tensor, in memory of its own; Error(kBadData) also for one whose type is not read. For adapters and
// optimiser state, whose files may be replaced while they are used.
NamedTensors read_safetensors(const std::filesystem::path& file, Metadata* metadata = nullptr);

// One that is made when its turn comes, so that a file may be larger than the memory.
struct LazyTensor {
  std::string name;
  at::ScalarType dtype;
  std::vector<int64_t> shape;
  std::function<at::Tensor()> make;  // of that type and shape
};

// The bytes of such a file in order, a piece a call: first the header's length (8 bytes), then the header,
// then each tensor. `file`: for messages. Throws as write_safetensors(), and what `take` throws.
void stream_safetensors(const NamedTensors& tensors, const Metadata& metadata,
                        const std::filesystem::path& file,
                        const std::function<void(const void* bytes, size_t count)>& take);

// Atomically (atomic_file.h), in the reference's order, so that Python's save_file writes the same bytes.
// Tensors of any device and stride. Throws Error(kIo); Error(kBadData) for names or metadata that are not
// UTF-8.
void write_safetensors(const std::filesystem::path& file, const NamedTensors& tensors,
                       const Metadata& metadata = {});
void write_safetensors(const std::filesystem::path& file, const std::vector<LazyTensor>& tensors,
                       const Metadata& metadata);

}  // namespace sdlora::checkpoint
