#include "lora/kohya_hashes.h"

#include <algorithm>
#include <cstring>

#include "checkpoint/safetensors.h"
#include "checkpoint/sha256.h"
#include "common/posix_file.h"

namespace sdlora::lora {
namespace {

constexpr uint64_t kLegacyBegin = 0x100000, kLegacyEnd = 0x110000;
constexpr size_t kLegacyDigits = 8;

}  // namespace

KohyaHashes kohya_hashes(const checkpoint::NamedTensors& tensors, const checkpoint::Metadata& metadata,
                         const std::filesystem::path& file) {
  checkpoint::Metadata hashed;
  for (const auto& [name, value] : metadata)
    if (name.starts_with("ss_")) hashed.emplace(name, value);

  checkpoint::Sha256 of_data, of_piece;
  uint64_t begin = 0, data_begin = 0;  // from the start of the file
  checkpoint::stream_safetensors(tensors, hashed, file, [&](const void* bytes, size_t count) {
    if (begin == 0) {
      uint64_t header_bytes = 0;
      std::memcpy(&header_bytes, bytes, sizeof header_bytes);
      data_begin = sizeof header_bytes + header_bytes;
    }
    const uint64_t end = begin + count;
    if (begin >= data_begin) of_data.update(bytes, count);
    if (const uint64_t first = std::max(begin, kLegacyBegin), last = std::min(end, kLegacyEnd); first < last)
      of_piece.update(static_cast<const char*>(bytes) + (first - begin), last - first);
    begin = end;
  });
  return {.model = of_data.hex(), .legacy = of_piece.hex().substr(0, kLegacyDigits)};
}

std::string legacy_hash_of_file(const std::filesystem::path& file) {
  const PosixFile input = PosixFile::open_to_read(file);
  const uint64_t begin = std::min(kLegacyBegin, input.byte_count()),
                 end = std::min(kLegacyEnd, input.byte_count());
  std::string piece(end - begin, '\0');
  input.read_at(begin, piece.data(), piece.size());
  return checkpoint::sha256_of(piece).substr(0, kLegacyDigits);
}

}  // namespace sdlora::lora
