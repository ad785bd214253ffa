// What the commands of cache_latents print.
#pragma once

#include <filesystem>
#include <string>

#include "data/caching/cache_latents.h"

namespace sdlora::data {

// cache_latents verify DIR: one sentence. Throws Error(kBadData) with every flaw.
std::string verify_text(const std::filesystem::path& cache_directory);

// cache_latents info DIR: what manifest.json says, for people; opens no other file.
std::string info_text(const std::filesystem::path& cache_directory);

// The end of a run: what was made, what was kept, and every skipped image with its reason.
std::string report_text(const CacheReport& report, const std::filesystem::path& cache_directory);

// How many files, lines and captions are left out or gone since the last run; empty when there are none.
std::string left_out_text(const CacheReport& report);

// The skipped images, one per line; empty when there are none.
std::string skipped_text(const CacheReport& report);

}  // namespace sdlora::data
