// Zip archives made by hand: what torch.save writes, and what it does not.
#pragma once

#include <string>
#include <vector>

#include <zlib.h>

#include "tests/checkpoint/written_pickle.h"

namespace sdlora::checkpoint::written {

struct Record {
  std::string name, bytes;
  uint16_t method = 0;
  std::string padding = "";  // before the bytes, as an extra field's bytes
};

inline uint32_t crc32_of(const std::string& bytes) {
  return static_cast<uint32_t>(crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

// The directory's sizes and offsets stand in zip64 fields when `is_wide`; the places are those of an archive
// that begins at `begin_byte` of its file.
inline std::string zip_of(const std::vector<Record>& records, bool is_wide = false, uint64_t begin_byte = 0) {
  const auto u16 = [](size_t value) { return bytes_of_integer(static_cast<uint16_t>(value)); };
  const auto u32 = [](size_t value) { return bytes_of_integer(static_cast<uint32_t>(value)); };
  const auto u64 = [](size_t value) { return bytes_of_integer(static_cast<uint64_t>(value)); };
  std::string archive, directory;
  for (const Record& record : records) {
    const uint64_t offset = begin_byte + archive.size();
    const std::string common = u16(0) + u16(record.method) + u32(0) + u32(crc32_of(record.bytes));
    archive += std::string("PK\3\4") + u16(20) + common + u32(record.bytes.size()) +
               u32(record.bytes.size()) + u16(record.name.size()) + u16(record.padding.size()) + record.name +
               record.padding + record.bytes;
    const std::string other_field = u16(0x4246) + u16(2) + "ab";
    const std::string wide =
        other_field + u16(1) + u16(24) + u64(record.bytes.size()) + u64(record.bytes.size()) + u64(offset);
    const std::string sizes =
        is_wide ? u32(0xFFFFFFFF) + u32(0xFFFFFFFF) : u32(record.bytes.size()) + u32(record.bytes.size());
    directory += std::string("PK\1\2") + u16(20) + u16(20) + common + sizes + u16(record.name.size()) +
                 u16(is_wide ? wide.size() : 0) + u16(0) + u16(0) + u16(0) + u32(0) +
                 u32(is_wide ? 0xFFFFFFFF : offset) + record.name + (is_wide ? wide : "");
  }
  const uint64_t directory_begin = begin_byte + archive.size();
  const uint64_t wide_end = directory_begin + directory.size();
  archive += directory;
  if (is_wide) {
    archive += std::string("PK\6\6") + u64(44) + u16(45) + u16(45) + u32(0) + u32(0) + u64(records.size()) +
               u64(records.size()) + u64(directory.size()) + u64(directory_begin);
    archive += std::string("PK\6\7") + u32(0) + u64(wide_end) + u32(1);
  }
  return archive + "PK\5\6" + u16(0) + u16(0) + u16(is_wide ? 0xFFFF : records.size()) +
         u16(is_wide ? 0xFFFF : records.size()) + u32(directory.size()) +
         u32(is_wide ? 0xFFFFFFFF : directory_begin) + u16(0);
}

}  // namespace sdlora::checkpoint::written
