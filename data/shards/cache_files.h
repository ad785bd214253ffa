// The files of a finished cache, each checked against its manifest.
#pragma once

#include <filesystem>

#include "data/shards/manifest.h"

namespace sdlora::data {

enum class FileCheck {
  kHash,  // size and SHA-256, before anything in the file is looked at
  kSize,  // size alone, for a rank that knows that another rank of its host has found all hashes right
};

// All functions throw Error(kBadData) naming the file, and the dataset where one is to blame.

// Shard number `index` of the manifest; made with the manifest's settings, captions within the text file.
ShardContent load_shard(const std::filesystem::path& cache_directory, const Manifest& manifest, size_t index,
                        FileCheck check);

TextContent load_text(const std::filesystem::path& cache_directory, const Manifest& manifest,
                      FileCheck check);

// Every file, and every flaw in one Error. Returns the manifest.
Manifest verify_cache(const std::filesystem::path& cache_directory);

}  // namespace sdlora::data
