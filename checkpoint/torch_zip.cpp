#include "checkpoint/torch_zip.h"

#include <string>

#include <caffe2/serialize/inline_container.h>
#include <fmt/format.h>
#include <torch/csrc/jit/serialization/pickler.h>

#include "checkpoint/torch_contents.h"
#include "common/atomic_file.h"
#include "common/error.h"
#include "common/posix_file.h"

namespace sdlora::checkpoint {
namespace {

// 2,000 adapter tensors take 0.4 MB; more than this is no adapter, and would cost memory before it is
// refused.
constexpr size_t kMaximumPickleBytes = size_t{4} << 20;

std::string archive_of(const NamedTensors& tensors) {
  c10::Dict<std::string, at::Tensor> dict;
  for (const auto& [name, tensor] : tensors) {
    // A view would write its whole storage, and a shared storage would be written once for all its tensors.
    dict.insert(name, tensor.detach().to(at::kCPU).clone(at::MemoryFormat::Contiguous));
  }
  // torch::pickle_save tags dicts with their types, which Python's default torch.load refuses.
  std::string pickle;
  torch::jit::Pickler pickler([&pickle](const char* bytes, size_t count) { pickle.append(bytes, count); },
                              nullptr, nullptr, nullptr, nullptr, /*tag_aggregates=*/false);
  pickler.protocol();
  pickler.pushIValue(dict);
  pickler.stop();

  std::string archive;
  caffe2::serialize::PyTorchStreamWriter writer([&archive](const void* bytes, size_t count) {
    archive.append(static_cast<const char*>(bytes), count);
    return count;
  });
  size_t index = 0;
  for (const at::Tensor& tensor : pickler.tensorData()) {
    writer.writeRecord(fmt::format("data/{}", index++), tensor.const_data_ptr(), tensor.nbytes());
  }
  writer.writeRecord("data.pkl", pickle.data(), pickle.size());
  writer.writeRecord("byteorder", "little", 6);
  writer.writeEndOfFile();
  return archive;
}

}  // namespace

void write_torch_zip(const std::filesystem::path& file, const NamedTensors& tensors) {
  const std::string archive = archive_of(tensors);
  write_file_atomically(file, [&archive](const std::filesystem::path& temporary) {
    PosixFile output = PosixFile::create(temporary);
    output.write(archive);
    output.close();
  });
}

NamedTensors read_torch_zip(const std::filesystem::path& file) {
  const std::string bytes = read_text(file);
  const TorchContents contents = read_torch_contents(bytes, kMaximumPickleBytes, Verify::kAll, file);
  const RecordReader read_record = [&](const std::string& name) {
    const StorageBytes& storage = contents.storages.at(name.substr(name.find('/') + 1));
    return std::string_view(bytes).substr(storage.begin_byte, storage.byte_count);
  };
  return copy_tensors(contents.pickle, read_record, file);
}

}  // namespace sdlora::checkpoint
