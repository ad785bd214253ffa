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
  SafetensorsDtype dtype;
  at::IntArrayRef shape;
  uint64_t byte_count;
  std::function<at::Tensor()> make;
};

SafetensorsDtype dtype_of(at::ScalarType dtype, bool is_dense, const std::string& name,
                          const std::filesystem::path& file) {
  const auto known = is_dense ? safetensors_dtype_of(dtype) : std::nullopt;
  if (!known)
    throw Error(
        ExitCode::kInternal,
        {.what = "the tensor cannot be written as safetensors",
         .expected = "a dense tensor of " + safetensors_dtype_names(),
         .seen = std::string(is_dense ? "" : "an undefined or sparse tensor of ") + c10::toString(dtype),
         .where = file.string() + ", tensor " + name});
  return *known;
}

// The reference's order: wider elements first, so that every tensor is aligned; then by name.
std::vector<Item> in_file_order(std::vector<Item> items) {
  std::sort(items.begin(), items.end(), [](const Item& a, const Item& b) {
    return std::tie(b.dtype.rank, *a.name) < std::tie(a.dtype.rank, *b.name);
  });
  return items;
}

std::vector<Item> items_of(const NamedTensors& tensors, const std::filesystem::path& file) {
  std::vector<Item> items;
  for (const auto& [name, tensor] : tensors) {
    const bool is_dense = tensor.defined() && tensor.layout() == at::kStrided;
    const SafetensorsDtype dtype =
        dtype_of(tensor.defined() ? tensor.scalar_type() : at::ScalarType::Undefined, is_dense, name, file);
    items.push_back({&name, dtype, tensor.sizes(), tensor.nbytes(), [&tensor = tensor] { return tensor; }});
  }
  return in_file_order(std::move(items));
}

std::vector<Item> items_of(const std::vector<LazyTensor>& tensors, const std::filesystem::path& file) {
  std::vector<Item> items;
  for (const LazyTensor& tensor : tensors) {
    const auto count = static_cast<uint64_t>(c10::multiply_integers(tensor.shape));
    items.push_back({&tensor.name, dtype_of(tensor.dtype, /*is_dense=*/true, tensor.name, file), tensor.shape,
                     count * c10::elementSize(tensor.dtype), tensor.make});
  }
  return in_file_order(std::move(items));
}

std::string header_of(const std::vector<Item>& items, const Metadata& metadata,
                      const std::filesystem::path& file) {
  auto header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  uint64_t begin = 0;
  for (const Item& item : items) {
    const uint64_t end = begin + item.byte_count;
    header[*item.name] = {
        {"dtype", item.dtype.name}, {"shape", item.shape.vec()}, {"data_offsets", {begin, end}}};
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

using TakePiece = std::function<void(const void* bytes, size_t count)>;

void stream(const std::vector<Item>& items, const Metadata& metadata, const std::filesystem::path& file,
            const TakePiece& take) {
  const std::string header = header_of(items, metadata, file);
  const uint64_t header_bytes = header.size();
  take(&header_bytes, sizeof header_bytes);
  take(header.data(), header.size());
  for (const Item& item : items) {
    const at::Tensor contiguous = item.make().detach().to(at::kCPU).contiguous();
    TORCH_INTERNAL_ASSERT(contiguous.nbytes() == item.byte_count, *item.name);
    take(contiguous.const_data_ptr(), contiguous.nbytes());
  }
}

void write(const std::vector<Item>& items, const Metadata& metadata, const std::filesystem::path& file) {
  write_file_atomically(file, [&](const std::filesystem::path& temporary) {
    PosixFile output = PosixFile::create(temporary);
    stream(items, metadata, file, [&](const void* bytes, size_t count) { output.write(bytes, count); });
    output.close();
  });
}

}  // namespace

void stream_safetensors(const NamedTensors& tensors, const Metadata& metadata,
                        const std::filesystem::path& file, const TakePiece& take) {
  stream(items_of(tensors, file), metadata, file, take);
}

void write_safetensors(const std::filesystem::path& file, const NamedTensors& tensors,
                       const Metadata& metadata) {
  write(items_of(tensors, file), metadata, file);
}

void write_safetensors(const std::filesystem::path& file, const std::vector<LazyTensor>& tensors,
                       const Metadata& metadata) {
  write(items_of(tensors, file), metadata, file);
}

}  // namespace sdlora::checkpoint
