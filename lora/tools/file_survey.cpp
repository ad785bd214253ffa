#include "lora/tools/file_survey.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "checkpoint/sha256.h"
#include "checkpoint/tensor_file.h"
#include "common/posix_file.h"
#include "lora/adapter_place.h"

namespace sdlora::lora {
namespace {

constexpr uint64_t kBytesPerRead = uint64_t{1} << 20;

// Of all behind the header.
std::string data_hash_of(const std::filesystem::path& path) {
  if (path.extension() != ".safetensors") return "";
  const PosixFile file = PosixFile::open_to_read(path);
  uint64_t begin = 0;
  file.read_at(0, &begin, sizeof begin);
  begin += sizeof begin;
  checkpoint::Sha256 hash;
  std::vector<char> block(kBytesPerRead);
  for (const uint64_t end = file.byte_count(); begin < end;) {
    const uint64_t count = std::min<uint64_t>(block.size(), end - begin);
    file.read_at(begin, block.data(), count);
    hash.update(block.data(), count);
    begin += count;
  }
  return hash.hex();
}

}  // namespace

FileSurvey survey(const std::filesystem::path& path) {
  FileSurvey result;
  result.file = adapter_file_at(path);
  const std::shared_ptr<const checkpoint::TensorFile> file = checkpoint::open_tensor_file(result.file);
  result.metadata = file->metadata();
  for (const auto& [name, description] : file->tensors()) {
    ++result.tensor_count;
    ++result.types[c10::toString(description.dtype)];
    if (description.dtype == at::ScalarType::Undefined) continue;
    const at::Tensor tensor = file->tensor(name);
    result.byte_count += static_cast<int64_t>(tensor.nbytes());
    if (tensor.is_floating_point() && !at::isfinite(tensor.to(at::kFloat)).all().item<bool>())
      result.nonfinite.push_back(name);
  }
  result.data_hash = data_hash_of(result.file);
  return result;
}

}  // namespace sdlora::lora
