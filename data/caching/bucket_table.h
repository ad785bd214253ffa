// What aspect buckets have made of the pictures of a cache, for people.
#pragma once

#include <filesystem>
#include <string>

#include "data/shards/manifest.h"

namespace sdlora::data {

// A line for each bucket and one for all: pictures, how often an epoch has them, which share of their area
// the crop threw away, how many were enlarged. Of a finished cache with buckets; opens its shards. Throws
// Error(kBadData).
std::string bucket_table(const std::filesystem::path& cache_directory, const Manifest& manifest);

}  // namespace sdlora::data
