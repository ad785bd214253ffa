// The cache directory while cache_latents works on it: one owner, no manifest, old shards put aside for
// reuse.
#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "data/cache_plan.h"

namespace sdlora::data {

inline constexpr const char* kPreviousSuffix = ".previous";

// Shards and shards put aside, ordered by name.
std::vector<std::filesystem::path> list_shards(const std::filesystem::path& cache_directory);

// Held by rank 0 for the whole run. All functions throw Error(kIo).
class OutputDirectory {
 public:
  // Creates the directory where needed and locks it. Throws Error(kIo) too when another run holds it.
  explicit OutputDirectory(std::filesystem::path directory);
  ~OutputDirectory();
  OutputDirectory(const OutputDirectory&) = delete;
  OutputDirectory& operator=(const OutputDirectory&) = delete;

  // From here on the cache is not finished: removes the manifest, and renames what is not kept to
  // NAME.previous.
  void begin_rebuild(const CachePlan& plan) const;

  // Removes our files that are not in `wanted`: what was put aside, shards that are no longer needed,
  // leftovers of killed runs. Other people's files stay.
  void remove_all_but(const std::set<std::string>& wanted) const;

 private:
  std::filesystem::path directory_;
  int lock_ = -1;
};

}  // namespace sdlora::data
