// How a run that is asked to stop leaves.
#pragma once

#include <functional>

#include "common/error.h"
#include "data/caching/cache_options.h"

namespace sdlora::data {

bool is_stop_requested(const CacheOptions& options);

// What every rank throws.
Error stopped_by_a_signal();

// For work of one rank that takes long: throws stopped_by_a_signal() once a stop is requested.
std::function<void()> leave_when_asked(const CacheOptions& options);

}  // namespace sdlora::data
