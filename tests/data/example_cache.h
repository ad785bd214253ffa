// Small caches for the tests, made without a model, and a folder for each test.
#pragma once

#include <filesystem>
#include <string>

#include "data/manifest.h"

namespace sdlora::data {

// A new empty folder below the tests' temporary folder, removed at the end.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }

  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

void write_bytes(const std::filesystem::path& file, const std::string& bytes);

// Inverts one bit.
void flip_bit(const std::filesystem::path& file, int64_t byte);

// `count` samples named after `first`, with latents [planes, count, 4, 8, 8] that depend on `first`.
ShardContent example_shard(int64_t first, int64_t count, bool flip = false);

// `count` captions with embeddings [count, 77, 6].
TextContent example_text(int64_t count);

CacheSettings example_settings(bool flip = false);

// Two shards of three and two pictures, three captions, a manifest.
Manifest write_example_cache(const std::filesystem::path& folder, bool flip = false);

}  // namespace sdlora::data
