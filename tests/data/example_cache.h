// Small caches for the tests, made without a model.
#pragma once

#include <filesystem>
#include <string>

#include "data/shards/manifest.h"

namespace sdlora::data {

// Inverts one bit.
void flip_bit(const std::filesystem::path& file, int64_t byte);

// `count` samples named after `first`, with latents [planes, count, 4, 8, 8] that depend on `first`.
ShardContent example_shard(int64_t first, int64_t count, bool flip = false);

// Pictures of 128 × 64 with latents [2, count, 4, 8, 16] of their own, the first of them `repeats` times.
ShardContent example_bucket_shard(int64_t first, int64_t count, int64_t repeats = 3);

// `count` captions with embeddings [count, 77, 6].
TextContent example_text(int64_t count);

CacheSettings example_settings(bool flip = false);

// As below, and a third shard: of a bucket, with two pictures, four an epoch.
Manifest write_example_bucket_cache(const std::filesystem::path& folder);

// Two shards of three and two pictures, three captions, a manifest.
Manifest write_example_cache(const std::filesystem::path& folder, bool flip = false);

}  // namespace sdlora::data
