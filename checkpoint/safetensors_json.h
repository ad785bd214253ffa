// The JSON of a safetensors header, read event by event so that nothing is built for a hostile one: a name
// that comes twice (also spelt with escapes), nesting and fractions are refused as they are met. What an
// entry has beside its three fields is passed over, as the reference does.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/named_tensors.h"

namespace sdlora::checkpoint {

struct SafetensorsEntry {
  std::optional<std::string> dtype;
  std::optional<std::vector<uint64_t>> shape;         // at most kMaximumRank dimensions
  std::optional<std::vector<uint64_t>> data_offsets;  // at most 2: begin and end, from the start of the data
};

struct SafetensorsJson {
  std::map<std::string, SafetensorsEntry> entries;
  Metadata metadata;
};

constexpr size_t kMaximumRank = 8;

// Throws Error(kBadData) naming `file` and the flaw.
SafetensorsJson parse_safetensors_json(std::string_view json, const std::filesystem::path& file);

}  // namespace sdlora::checkpoint
