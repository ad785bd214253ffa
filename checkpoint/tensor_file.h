// A file of named tensors, whatever its container: safetensors, the zip archive of torch.save, or the row of
// pickles that torch before 1.6 wrote.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "checkpoint/named_tensors.h"

namespace sdlora::checkpoint {

struct TensorDescription {
  at::ScalarType dtype;  // Undefined: of a type that can be described, but not read
  std::vector<int64_t> shape;
};

class TensorFile {
 public:
  virtual ~TensorFile() = default;
  TensorFile(const TensorFile&) = delete;
  TensorFile& operator=(const TensorFile&) = delete;

  const std::filesystem::path& path() const { return path_; }

  // Every tensor, of which no value has been read.
  virtual const std::map<std::string, TensorDescription>& tensors() const = 0;

  // What a safetensors file says of itself; empty for the others.
  virtual const Metadata& metadata() const = 0;

  // A contiguous tensor on the CPU: where the file has it contiguous and aligned a view of the mapped file,
  // which lives as long as any view does (writing to it is a fault), else a copy. Of a torch file the
  // checksum of the tensor's storage is compared first. Throws Error(kBadData) for an unknown name, a type
  // that cannot be read and a damaged storage.
  virtual at::Tensor tensor(const std::string& name) const = 0;

 protected:
  explicit TensorFile(std::filesystem::path path) : path_(std::move(path)) {}

 private:
  std::filesystem::path path_;
};

// Maps the file; which container it is is seen by its content, not by its name. Throws Error(kBadData) that
// says what the file is when it is none of them, or where it is damaged, Error(kIo).
std::shared_ptr<const TensorFile> open_tensor_file(const std::filesystem::path& file);

}  // namespace sdlora::checkpoint
