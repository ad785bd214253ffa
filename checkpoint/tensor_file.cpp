#include "checkpoint/tensor_file.h"

#include "checkpoint/safetensors.h"
#include "checkpoint/torch_zip.h"
#include "common/error.h"
#include "common/posix_file.h"

namespace sdlora::checkpoint {
namespace {

namespace fs = std::filesystem;

class SafetensorsTensors : public TensorFile {
 public:
  explicit SafetensorsTensors(const fs::path& path) : TensorFile(path), file_(path) {
    for (const auto& [name, info] : file_.tensors())
      tensors_.emplace(name, TensorDescription{info.dtype, info.shape});
  }

  const std::map<std::string, TensorDescription>& tensors() const override { return tensors_; }

  const Metadata& metadata() const override { return file_.metadata(); }

  at::Tensor tensor(const std::string& name) const override { return file_.tensor(name); }

 private:
  SafetensorsFile file_;
  std::map<std::string, TensorDescription> tensors_;
};

class TorchTensors : public TensorFile {
 public:
  explicit TorchTensors(const fs::path& path) : TensorFile(path), values_(read_torch_zip(path)) {
    for (const auto& [name, tensor] : values_)
      tensors_.emplace(name, TensorDescription{tensor.scalar_type(), tensor.sizes().vec()});
  }

  const std::map<std::string, TensorDescription>& tensors() const override { return tensors_; }

  const Metadata& metadata() const override { return metadata_; }

  at::Tensor tensor(const std::string& name) const override {
    const auto found = values_.find(name);
    if (found == values_.end()) {
      throw Error(ExitCode::kBadData,
                  {.what = "the file lacks a tensor", .expected = name, .where = path().string()});
    }
    return found->second.contiguous();
  }

 private:
  NamedTensors values_;
  Metadata metadata_;
  std::map<std::string, TensorDescription> tensors_;
};

}  // namespace

std::shared_ptr<const TensorFile> open_tensor_file(const fs::path& file) {
  char beginning[2] = {};
  const PosixFile opened = PosixFile::open_to_read(file);
  if (opened.byte_count() >= sizeof beginning) opened.read_at(0, beginning, sizeof beginning);
  if (beginning[0] == 'P' && beginning[1] == 'K') return std::make_shared<const TorchTensors>(file);
  return std::make_shared<const SafetensorsTensors>(file);
}

}  // namespace sdlora::checkpoint
