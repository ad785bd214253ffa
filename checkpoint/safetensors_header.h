// What a safetensors file holds and where, checked before a byte of data is touched.
#pragma once

#include <string_view>

#include "checkpoint/safetensors.h"
#include "common/posix_file.h"

namespace sdlora::checkpoint {

struct SafetensorsHeader {
  std::map<std::string, TensorInfo> tensors;
  Metadata metadata;
};

// Header length within the file, names and fields, types, shapes times element size equal to the bytes,
// data without hole, overlap, missing end or trailing bytes. Throws Error(kBadData), Error(kIo).
SafetensorsHeader read_safetensors_header(const PosixFile& file);

// The same for a header in memory, of a file with `data_bytes` bytes of data.
SafetensorsHeader check_safetensors_header(std::string_view json, uint64_t data_bytes,
                                           const std::filesystem::path& file);

}  // namespace sdlora::checkpoint
