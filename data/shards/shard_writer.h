// Writes the HDF5 files of a cache: complete or absent, and read back before they get their name.
#pragma once

#include <filesystem>

#include "data/shards/shard_format.h"

namespace sdlora::data {

// The file is made in memory, written to a temporary name, read back and compared, flushed to disk, renamed.
// Equal content gives equal bytes. N >= 1. Throws Error(kIo), Error(kInternal) for content of unequal
// lengths, or that is no square.
void write_shard(const std::filesystem::path& file, const ShardContent& content);

void write_text_file(const std::filesystem::path& file, const TextContent& content);

}  // namespace sdlora::data
