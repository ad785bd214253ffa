// Looks into HDF5 files that no manifest vouches for. HDF5 may crash on a damaged file, so this happens in
// processes of their own: a file that kills one is not of use, and costs nothing more.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>

namespace sdlora::data {

enum class CacheFileKind { kShard, kText };

// The format version of a file with the attributes that cache_latents gives to a shard or a text file;
// nothing for any other file, and for one that cannot be opened.
std::optional<int64_t> cache_format_of(const std::filesystem::path& file);

// Reads and checks everything (shard_reader.h, text_file.h). The number of rows, or nothing for a file that
// is not whole. `while_waiting` is called ten times a second, and may throw.
std::optional<int64_t> row_count_of_whole_file(const std::filesystem::path& file, CacheFileKind kind,
                                               const std::function<void()>& while_waiting = nullptr);

}  // namespace sdlora::data
