// From options to a plan: which images there are, what they and the model are (by hash), which caption each
// has.
#pragma once

#include "comm/communicator.h"
#include "data/caching/cache_options.h"
#include "data/caching/cache_plan.h"

namespace sdlora::data {

// (all ranks) Ranks share the reading and hashing of the images; rank 0 does the rest, and alone gets the
// plan. Throws Error(kUsage) for options that do not fit the model, Error(kBadData) when no image is left or
// captions are missing.
CachePlan gather_cache_inputs(const CacheOptions& options, comm::Communicator& world);

}  // namespace sdlora::data
