#include <algorithm>
#include <string>
#include <tuple>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "checkpoint/safetensors.h"
#include "checkpoint/safetensors_dtypes.h"
#include "checkpoint/safetensors_header.h"
#include "common/atomic_file.h"
#include "common/error.h"
#include "common/posix_file.h"

namespace sdlora::checkpoint {
namespace {

constexpr size_t kAlignmentBytes = 8;

struct Item {
  const std::string* name;
  const at::Tensor* tensor;
  SafetensorsDtype dtype;
};

// The reference's order: wider elements first, so that every tensor is aligned; then by name.
std::vector<Item> in_file_order(const NamedTensors& tensors, const std::filesystem::path& file) {
  std::vector<Item> items;
  for (const auto& [name, tensor] : tensors) {
    const auto dtype = tensor.defined() ? safetensors_dtype_of(tensor.scalar_type()) : std::nullopt;
    if (!dtype || tensor.layout() != at::kStrided) {
      throw Error(ExitCode::kInternal, {.what = "the tensor cannot be written as safetensors",
                                        .expected = "a dense tensor of " + safetensors_dtype_names(),
                                        .seen = tensor.defined() ? tensor.toString() : "an undefined tensor",
                                        .where = file.string() + ", tensor " + name});
    }
    items.push_back({&name, &tensor, *dtype});
  }
  std::sort(items.begin(), items.end(), [](const Item& a, const Item& b) {
    return std::tie(b.dtype.rank, *a.name) < std::tie(a.dtype.rank, *b.name);
  });
  return items;
}

std::string header_of(const std::vector<Item>& items, const Metadata& metadata,
                      const std::filesystem::path& file) {
  auto header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  uint64_t begin = 0;
  for (const Item& item : items) {
    const uint64_t end = begin + item.tensor->nbytes();
    header[*item.name] = {
        {"dtype", item.dtype.name}, {"shape", item.tensor->sizes().vec()}, {"data_offsets", {begin, end}}};
    begin = end;
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const nlohmann::json::exception& error) {  // a name or metadata that is not UTF-8
    throw Error(
        ExitCode::kBadData,
        {.what = "cannot write these names as safetensors", .seen = error.what(), .where = file.string()});
  }
  text.resize((text.size() + kAlignmentBytes - 1) / kAlignmentBytes * kAlignmentBytes, ' ');
  check_safetensors_header(text, begin, file);  // what the reader would refuse is not written
  return text;
}

}  // namespace

void stream_safetensors(const NamedTensors& tensors, const Metadata& metadata,
                        const std::filesystem::path& file,
                        const std::function<void(const void* bytes, size_t count)>& take) {
  const std::vector<Item> items = in_file_order(tensors, file);
  const std::string header = header_of(items, metadata, file);
  const uint64_t header_bytes = header.size();
  take(&header_bytes, sizeof header_bytes);
  take(header.data(), header.size());
  for (const Item& item : items) {
    const at::Tensor contiguous = item.tensor->detach().to(at::kCPU).contiguous();
    take(contiguous.const_data_ptr(), contiguous.nbytes());
  }
}

void write_safetensors(const std::filesystem::path& file, const NamedTensors& tensors,
                       const Metadata& metadata) {
  write_file_atomically(file, [&](const std::filesystem::path& temporary) {
    PosixFile output = PosixFile::create(temporary);
    stream_safetensors(tensors, metadata, file,
                       [&](const void* bytes, size_t count) { output.write(bytes, count); });
    output.close();
  });
}

}  // namespace sdlora::checkpoint
