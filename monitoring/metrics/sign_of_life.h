// The moment at which a process last got on with its work: what tells a slow one from one that hangs.
#pragma once

#include <chrono>
#include <functional>

#include "monitoring/metrics/registry.h"

namespace sdlora::monitoring {

// `last_progress` is asked whenever somebody looks, in a thread of the endpoint.
void export_sign_of_life(MetricsRegistry& registry,
                         std::function<std::chrono::system_clock::time_point()> last_progress);

}  // namespace sdlora::monitoring
