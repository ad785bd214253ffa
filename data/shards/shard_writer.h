// Writes a shard: complete or absent, and read back before it gets its name.
#pragma once

#include <filesystem>

#include "data/shards/shard_format.h"

namespace sdlora::data {

// The file is written to a temporary name, read back and compared, flushed to disk, renamed.
// Equal content gives equal bytes. N >= 1. Throws Error(kIo), Error(kInternal) for content of unequal
// lengths, or that is no square.
void write_shard(const std::filesystem::path& file, const ShardContent& content);

}  // namespace sdlora::data
