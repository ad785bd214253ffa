// What the output directory held before this run: to see what is gone, and whether it is the same cache at
// all.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "data/caching/cache_plan.h"
#include "data/caching/cache_record.h"

namespace sdlora::data {

struct PreviousPicture {
  std::string source;
  std::string source_sha256;
  std::optional<std::string> caption;  // nothing where no text file tells
};

struct PreviousCache {
  std::vector<PreviousPicture> pictures;
  std::vector<std::string> differences;  // of its settings to the plan's: "--img-size: 512², now 256²"
};

// Of whole files of the record. What a --rebuild that was killed has put aside does not count.
PreviousCache read_previous_cache(const CacheRecord& record, const std::filesystem::path& cache_directory,
                                  const CachePlan& plan);

// The pictures of a plan, to be found by name and by content.
class PlannedPictures {
 public:
  explicit PlannedPictures(const CachePlan& plan);

  bool has_content(const std::string& sha256) const { return contents_.contains(sha256); }

  // The caption that the picture of this name has now; nothing when there is none of this name.
  std::optional<std::string> caption_of(const std::string& source) const;

 private:
  std::unordered_set<std::string> contents_;
  std::unordered_map<std::string, std::string> captions_;  // by source
};

}  // namespace sdlora::data
