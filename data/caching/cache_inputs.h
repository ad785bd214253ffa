// From options to a plan: which images there are, what they and the model are (by hash), which caption each
// has.
#pragma once

#include <optional>

#include "comm/communicator.h"
#include "data/caching/cache_options.h"
#include "data/caching/cache_plan.h"
#include "data/caching/picture_subset.h"

namespace sdlora::data {

struct CacheInputs {
  CachePlan plan;
  DataReport report;
  std::vector<std::string> empty_captions;         // pictures whose caption file or line says nothing
  std::vector<std::string> not_needed;             // regularisation pictures, beyond the balance
  std::vector<std::string> lines_without_picture;  // of caption lists (lines_without_picture.h)
};

// (all ranks) Ranks share the reading and hashing of the images; rank 0 does the rest, and alone gets the
// plan. Throws Error(kUsage) for options that do not fit the model, Error(kBadData) when no image is left or
// captions are missing.
CacheInputs gather_cache_inputs(const CacheOptions& options, const std::vector<PictureSubset>& subsets,
                                const std::optional<CacheSettings>& previous, comm::Communicator& world);

}  // namespace sdlora::data
