// Whether an output directory is to be brought up to date, or holds another cache that would be lost.
//
// Up to date: pictures came, went, were edited or renamed; captions changed. Another cache: other settings or
// another model, pictures of which (almost) none is of the set any more, or a newer program's format.
#pragma once

#include "data/caching/cache_options.h"
#include "data/caching/cache_plan.h"
#include "data/caching/cache_record.h"
#include "data/caching/previous_cache.h"

namespace sdlora::data {

// Returns whether it is another cache, which --rebuild allows. Throws Error(kMismatch) where
// that is not allowed: what it was made with, what is asked for, and both ways out.
bool is_another_cache(const CacheRecord& record, const PreviousCache& previous, const CachePlan& plan,
                      const CacheOptions& options);

// Before the inputs are looked at. Throws Error(kMismatch) without --rebuild.
void refuse_newer_format(const CacheRecord& record, const CacheOptions& options);

}  // namespace sdlora::data
