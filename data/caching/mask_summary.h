// What the masks of a cache leave out.
#pragma once

#include <filesystem>
#include <string>

#include "data/shards/manifest.h"

namespace sdlora::data {

// "masks leave out something of 11 of 12 pictures; 63.1 % of all cells count", and the pictures of which none
// does. Of a cache with masks. Throws Error(kBadData).
std::string mask_summary(const std::filesystem::path& cache_directory, const Manifest& manifest);

}  // namespace sdlora::data
