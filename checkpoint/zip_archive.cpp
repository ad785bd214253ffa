#include "checkpoint/zip_archive.h"

#include <cstring>

#include <fmt/format.h>
#include <zlib.h>

#include "checkpoint/printable.h"
#include "common/atomic_file.h"
#include "common/error.h"

namespace sdlora::checkpoint {
namespace {

// Signatures and fixed sizes: PKWARE's APPNOTE.TXT, sections 4.3.7, 4.3.12 and 4.3.16.
constexpr std::string_view kLocalSignature{"PK\3\4", 4};
constexpr std::string_view kEntrySignature{"PK\1\2", 4};
constexpr std::string_view kEndSignature{"PK\5\6", 4};
constexpr uint64_t kLocalBytes = 30;
constexpr uint64_t kEntryBytes = 46;
constexpr uint64_t kEndBytes = 22;
constexpr uint16_t kStored = 0;
constexpr uint16_t kEncryptedFlag = 1;

}  // namespace

ZipArchive::ZipArchive(const std::filesystem::path& file) : file_(file), bytes_(read_text(file)) {
  const Directory directory = find_directory();
  uint64_t entry_begin_byte = directory.begin_byte;
  for (uint64_t i = 0; i < directory.record_count; ++i) entry_begin_byte = add_record(entry_begin_byte);
}

std::string_view ZipArchive::record(const std::string& name) const {
  const auto found = records_.find(name);
  if (found == records_.end()) refuse("the archive lacks the record " + printable(name));
  return found->second;
}

ZipArchive::Directory ZipArchive::find_directory() const {
  if (!bytes_.starts_with(kLocalSignature)) {
    refuse("this is not a .pt file", bytes_.empty() ? "an empty file" : "no zip archive",
           bytes_.starts_with('\x80') ? "it may come from torch before 1.6: load it and save it again" : "");
  }
  const size_t end = bytes_.rfind(kEndSignature);
  if (end == std::string::npos || end + kEndBytes > bytes_.size()) {
    refuse("the .pt file is cut off: the archive's directory, which is its last part, is missing",
           fmt::format("{} bytes", bytes_.size()), "copy or download the file again");
  }
  if (end + kEndBytes + read<uint16_t>(end + 20) != bytes_.size())
    refuse("the .pt file has bytes after its end");
  return {.begin_byte = read<uint32_t>(end + 16), .record_count = read<uint16_t>(end + 10)};
}

uint64_t ZipArchive::add_record(uint64_t entry_begin_byte) {
  if (view(entry_begin_byte, kEntryBytes).substr(0, 4) != kEntrySignature) {
    refuse("the archive's directory is damaged", fmt::format("no entry at byte {}", entry_begin_byte));
  }
  const auto flags = read<uint16_t>(entry_begin_byte + 8);
  const auto method = read<uint16_t>(entry_begin_byte + 10);
  const auto checksum = read<uint32_t>(entry_begin_byte + 16);
  const auto stored_bytes = read<uint32_t>(entry_begin_byte + 20);
  const auto record_bytes = read<uint32_t>(entry_begin_byte + 24);
  const auto name_bytes = read<uint16_t>(entry_begin_byte + 28);
  const auto extra_bytes = read<uint16_t>(entry_begin_byte + 30);
  const auto comment_bytes = read<uint16_t>(entry_begin_byte + 32);
  const auto local_begin_byte = read<uint32_t>(entry_begin_byte + 42);
  const std::string name(view(entry_begin_byte + kEntryBytes, name_bytes));
  if (method != kStored || (flags & kEncryptedFlag) != 0 || stored_bytes != record_bytes) {
    refuse("the archive's record " + printable(name) + " is compressed or encrypted",
           fmt::format("method {}", method), "load it in Python and save it again with torch.save");
  }

  record_bytes_total_ += record_bytes;
  if (record_bytes_total_ > bytes_.size()) refuse("records of the archive share bytes");

  const std::string_view local = view(local_begin_byte, kLocalBytes);
  const auto local_name_bytes = read<uint16_t>(local_begin_byte + 26);
  const uint64_t local_extra_bytes = read<uint16_t>(local_begin_byte + 28);
  if (local.substr(0, 4) != kLocalSignature ||
      view(local_begin_byte + kLocalBytes, local_name_bytes) != name) {
    refuse("the archive's directory and its record " + printable(name) + " do not fit together");
  }
  const std::string_view data =
      view(local_begin_byte + kLocalBytes + local_name_bytes + local_extra_bytes, record_bytes);
  const auto seen_checksum = crc32_z(0, reinterpret_cast<const Bytef*>(data.data()), data.size());
  if (seen_checksum != checksum) {
    refuse("the archive's record " + printable(name) + " is damaged",
           fmt::format("CRC-32 {:08x} in place of {:08x}", seen_checksum, checksum),
           "copy or download the file again");
  }
  // All records lie in one folder, whose name is the writer's choice.
  if (!records_.emplace(name.substr(name.find('/') + 1), data).second)
    refuse("the archive has " + printable(name) + " twice");
  return entry_begin_byte + kEntryBytes + name_bytes + extra_bytes + comment_bytes;
}

template <typename Integer>
Integer ZipArchive::read(uint64_t begin_byte) const {
  Integer value;
  std::memcpy(&value, view(begin_byte, sizeof value).data(), sizeof value);
  return value;
}

std::string_view ZipArchive::view(uint64_t begin_byte, uint64_t bytes) const {
  if (begin_byte > bytes_.size() || bytes > bytes_.size() - begin_byte) {
    refuse("the archive's directory is damaged",
           fmt::format("bytes {} to {} of {}", begin_byte, begin_byte + bytes, bytes_.size()));
  }
  return std::string_view(bytes_).substr(begin_byte, bytes);
}

void ZipArchive::refuse(const std::string& what, const std::string& seen, const std::string& advice) const {
  throw Error(ExitCode::kBadData, {.what = what, .seen = seen, .where = file_.string(), .advice = advice});
}

}  // namespace sdlora::checkpoint
