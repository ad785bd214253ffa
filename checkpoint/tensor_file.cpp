#include "checkpoint/tensor_file.h"

#include <algorithm>

#include "checkpoint/foreign_file.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/torch_tensors.h"
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

std::string beginning_of(const fs::path& file) {
  const PosixFile opened = PosixFile::open_to_read(file);
  std::string beginning(std::min<uint64_t>(kTellingBytes, opened.byte_count()), '\0');
  opened.read_at(0, beginning.data(), beginning.size());
  return beginning;
}

}  // namespace

std::shared_ptr<const TensorFile> open_tensor_file(const fs::path& file) {
  const std::string beginning = beginning_of(file);
  const bool is_safetensors = is_like_safetensors(beginning);
  if (is_zip_archive(beginning) || (is_pickle(beginning) && !is_safetensors)) return map_torch_file(file);
  if (!is_safetensors && foreign_file(beginning))
    refuse_foreign_file(beginning, "a file of tensors (safetensors or torch.save's)", file);
  return std::make_shared<const SafetensorsTensors>(file);
}

}  // namespace sdlora::checkpoint
