#include "checkpoint/safetensors_header.h"

#include <algorithm>
#include <bit>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "checkpoint/foreign_file.h"
#include "checkpoint/printable.h"
#include "checkpoint/safetensors_dtypes.h"
#include "checkpoint/safetensors_json.h"
#include "common/error.h"

namespace sdlora::checkpoint {
namespace {

constexpr uint64_t kLengthBytes = 8;
constexpr uint64_t kMaximumHeaderBytes = 100'000'000;  // the reference's MAX_HEADER_SIZE
static_assert(std::endian::native == std::endian::little,
              "the format is little-endian, and so is our reading");

struct Range {
  uint64_t begin;
  uint64_t end;
  const std::string* name;
};

[[noreturn]] void refuse(Problem problem, const std::filesystem::path& file, const std::string& name = "") {
  problem.where = name.empty() ? file.string() : file.string() + ", tensor " + printable(name);
  throw Error(ExitCode::kBadData, problem);
}

// Bytes of a tensor of this shape; empty when any partial product leaves int64, also beside a dimension of 0:
// ATen computes strides from the other dimensions even then; and where elements that share bytes fill no
// whole ones.
std::optional<uint64_t> bytes_of(const std::vector<uint64_t>& shape, int64_t element_bits) {
  const int64_t parts_of_byte = element_bits % 8 == 0 ? 1 : 8;
  int64_t parts = element_bits * parts_of_byte / 8;
  bool is_empty = false;
  for (const uint64_t size : shape) {
    is_empty = is_empty || size == 0;
    if (__builtin_mul_overflow(parts, std::max<uint64_t>(size, 1), &parts)) return std::nullopt;
  }
  if (is_empty) return 0;
  if (parts % parts_of_byte != 0) return std::nullopt;
  return static_cast<uint64_t>(parts / parts_of_byte);
}

TensorInfo info_of(const std::string& name, const SafetensorsEntry& entry, uint64_t data_begin_byte,
                   const std::filesystem::path& file) {
  if (!entry.dtype || !entry.shape || !entry.data_offsets || entry.data_offsets->size() != 2) {
    refuse({.what = "a tensor's entry in the safetensors header is incomplete",
            .expected = "dtype, shape and two data_offsets"},
           file, name);
  }
  const auto type = safetensors_type_of(*entry.dtype);
  if (!type) {
    refuse({.what = "the tensor has a type that is not supported",
            .expected = "one of " + safetensors_dtype_names(),
            .seen = printable(*entry.dtype)},
           file, name);
  }
  const uint64_t begin = entry.data_offsets->at(0);
  const uint64_t end = entry.data_offsets->at(1);
  const auto bytes = bytes_of(*entry.shape, type->element_bits);
  if (end < begin || !bytes || *bytes != end - begin) {
    refuse({.what = "the tensor's shape does not fit its bytes",
            .expected = fmt::format("{} of shape [{}]: {} bytes", *entry.dtype, fmt::join(*entry.shape, ", "),
                                    bytes ? fmt::to_string(*bytes) : "more than a file can hold"),
            .seen = fmt::format("data_offsets [{}, {}]", begin, end)},
           file, name);
  }
  return {
      type->dtype, {entry.shape->begin(), entry.shape->end()}, data_begin_byte + begin, *bytes, type->name};
}

// The data begins at 0, has no hole and no overlap, and ends with the file.
void check_layout(std::vector<Range>& ranges, uint64_t data_bytes, const std::filesystem::path& file) {
  std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) {
    return std::tie(a.begin, a.end) < std::tie(b.begin, b.end);
  });
  uint64_t described_bytes = 0;
  for (const Range& range : ranges) described_bytes = std::max(described_bytes, range.end);
  if (described_bytes != data_bytes) {
    const bool is_short = described_bytes > data_bytes;
    refuse({.what = is_short ? "the safetensors file is cut off"
                             : "the safetensors file has bytes after its data",
            .expected = fmt::format("{} bytes of data", described_bytes),
            .seen = is_short ? fmt::format("{} bytes, {} missing", data_bytes, described_bytes - data_bytes)
                             : fmt::format("{} bytes, {} too many", data_bytes, data_bytes - described_bytes),
            .advice = is_short ? "copy or download the file again" : ""},
           file);
  }
  uint64_t previous_end = 0;
  for (const Range& range : ranges) {
    if (range.begin != previous_end) {
      refuse(
          {.what = range.begin > previous_end ? "the safetensors data has a hole" : "two tensors share data",
           .expected = fmt::format("data_offsets that begin at {}", previous_end),
           .seen = fmt::format("data_offsets [{}, {}]", range.begin, range.end)},
          file, *range.name);
    }
    previous_end = range.end;
  }
}

// `problem`, unless the file is something that can be named.
[[noreturn]] void refuse_not_safetensors(const PosixFile& file, Problem problem) {
  std::string beginning(std::min<uint64_t>(kTellingBytes, file.byte_count()), '\0');
  file.read_at(0, beginning.data(), beginning.size());
  if (const auto foreign = foreign_file(beginning)) {
    problem.what = "this is not a safetensors file: it is " + foreign->what;
    problem.advice = foreign->advice;
    if (!foreign->seen.empty()) problem.seen += ", beginning with \"" + foreign->seen + "\"";
  }
  refuse(problem, file.path());
}

}  // namespace

SafetensorsHeader check_safetensors_header(std::string_view json, uint64_t data_bytes,
                                           const std::filesystem::path& file) {
  SafetensorsJson parsed = parse_safetensors_json(json, file);
  SafetensorsHeader header{.tensors = {}, .metadata = std::move(parsed.metadata)};
  std::vector<Range> ranges;
  for (const auto& [name, entry] : parsed.entries) {
    header.tensors.emplace(name, info_of(name, entry, kLengthBytes + json.size(), file));
    ranges.push_back({entry.data_offsets->at(0), entry.data_offsets->at(1), &name});
  }
  check_layout(ranges, data_bytes, file);
  return header;
}

SafetensorsHeader read_safetensors_header(const PosixFile& file) {
  const uint64_t file_bytes = file.byte_count();
  if (file_bytes < kLengthBytes) {
    refuse_not_safetensors(file, {.what = "this is not a safetensors file",
                                  .expected = "at least 8 bytes",
                                  .seen = fmt::format("{} bytes", file_bytes)});
  }
  uint64_t header_bytes = 0;
  file.read_at(0, &header_bytes, kLengthBytes);
  if (header_bytes > kMaximumHeaderBytes) {
    refuse_not_safetensors(file,
                           {.what = "this is not a safetensors file, or its header is damaged",
                            .expected = fmt::format("a header of at most {} bytes", kMaximumHeaderBytes),
                            .seen = fmt::format("{} bytes", header_bytes)});
  }
  if (header_bytes > file_bytes - kLengthBytes) {
    refuse({.what = "the safetensors file is cut off within its header",
            .expected = fmt::format("a header of {} bytes after the first 8", header_bytes),
            .seen = fmt::format("{} bytes, {} missing", file_bytes - kLengthBytes,
                                header_bytes - (file_bytes - kLengthBytes)),
            .advice = "copy or download the file again"},
           file.path());
  }
  std::string json(header_bytes, '\0');
  file.read_at(kLengthBytes, json.data(), header_bytes);
  return check_safetensors_header(json, file_bytes - kLengthBytes - header_bytes, file.path());
}

}  // namespace sdlora::checkpoint
