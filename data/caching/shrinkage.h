// What a person would look for in a cache and not find there, apart from files that are skipped: a folder
// that is not mounted or captions that a tool has emptied look like a smaller set, and training goes on with
// less.
#pragma once

#include <string>
#include <vector>

#include "data/caching/cache_inputs.h"
#include "data/caching/previous_cache.h"

namespace sdlora::data {

struct Shrinkage {
  std::vector<std::string> gone_pictures;          // of the last run, neither by name nor by content
  std::vector<std::string> lines_without_picture;  // of caption lists
  std::vector<std::string> empty_captions;         // pictures
  int64_t emptied_count = 0;                       // of these, those that had words in the last run
};

Shrinkage find_shrinkage(const PreviousCache& previous, const CacheInputs& inputs);

// A sentence for each kind that there is; `most_named` names with it, one per line, or just the number for 0.
std::vector<std::string> sentences_of(const Shrinkage& shrinkage, size_t most_named);

// A warning for each kind. Throws Error(kBadData) for any, and for skipped files, where `is_strict`.
void warn_of_shrinkage(const Shrinkage& shrinkage, const std::vector<SkippedImage>& skipped, bool is_strict);

// --strict: what did not decode is only known at the end.
void refuse_skipped(const std::vector<SkippedImage>& skipped);

}  // namespace sdlora::data
