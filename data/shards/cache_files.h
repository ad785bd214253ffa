// The files of a finished cache, each checked against its manifest.
#pragma once

#include <filesystem>

#include "data/shards/manifest.h"
#include "data/shards/text_file.h"

namespace sdlora::data {

// Size and SHA-256 are checked before anything in a file is looked at. All functions throw Error(kBadData)
// naming the file, and the dataset where one is to blame.

// Shard number `index` of the manifest; made with the manifest's settings, captions within the text file.
ShardContent load_shard(const std::filesystem::path& cache_directory, const Manifest& manifest, size_t index);

// Every row is looked at, and none kept.
TextFile load_text(const std::filesystem::path& cache_directory, const Manifest& manifest);

// That each of a column's `places` is 0 … count - 1.
void require_places(const std::filesystem::path& file, const char* column, const std::vector<int64_t>& places,
                    int64_t count);

// Every file, and every flaw in one Error. Returns the manifest.
Manifest verify_cache(const std::filesystem::path& cache_directory);

}  // namespace sdlora::data
