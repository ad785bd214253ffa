// The folders that a cache's pictures come from: those to be learnt, and those that show what the model is to
// keep of their class (regularisation).
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "data/caching/cache_options.h"
#include "data/caching/cache_plan.h"

namespace sdlora::data {

struct PictureSubset {
  CacheSubset entry;  // as the cache names it
  std::filesystem::path folder;

  // Of a path below the folder: the picture's name in the cache. "a.png", and "reg:a.png".
  std::string name_of(const std::string& source) const { return entry.prefix() + source; }

  // The other way round.
  std::string source_of(const std::string& name) const { return name.substr(entry.prefix().size()); }

  std::filesystem::path file_of(const std::string& name) const { return folder / source_of(name); }
};

// --images, and --reg-images where there are such. A place in this list is PlannedSample::subset.
std::vector<PictureSubset> subsets_of(const CacheOptions& options);

// Throws Error(kUsage) where one of the folders lies in the other: a picture would be of both.
void check_subsets(const CacheOptions& options);

std::filesystem::path file_of(const CacheOptions& options, const PlannedSample& sample);

}  // namespace sdlora::data
