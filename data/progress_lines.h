// Progress as lines of the log, for terminals and files alike.
#pragma once

#include "data/cache_options.h"

namespace sdlora::data {

// A line at most every 5 seconds: done, total, rate, time left.
CacheProgress progress_lines();

}  // namespace sdlora::data
