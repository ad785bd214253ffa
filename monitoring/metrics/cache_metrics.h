// The progress of cache_latents, as metrics.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "monitoring/metrics/registry.h"

namespace sdlora::monitoring {

class CacheMetrics {
 public:
  explicit CacheMetrics(MetricsRegistry& registry);

  // Of `count` pictures that are this process's to do, so many are done; the counts never fall.
  void record(int64_t count, int64_t encoded_count, int64_t reused_count);

 private:
  struct Done {
    Counter counter;
    int64_t count;

    void raise_to(int64_t new_count);
  };

  Gauge pictures_;
  Done encoded_, reused_;
  std::atomic<std::chrono::system_clock::time_point> last_progress_ = std::chrono::system_clock::now();
};

}  // namespace sdlora::monitoring
