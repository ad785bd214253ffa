// Memory of this process, its host and its GPU, as metrics that are read when somebody looks.
#pragma once

#include <c10/core/Device.h>

#include "monitoring/metrics/registry.h"

namespace sdlora::monitoring {

// `device`: where the run computes.
void export_memory(MetricsRegistry& registry, c10::Device device);

}  // namespace sdlora::monitoring
