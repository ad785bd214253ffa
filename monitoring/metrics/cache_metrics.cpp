#include "monitoring/metrics/cache_metrics.h"

#include "monitoring/metrics/sign_of_life.h"

namespace sdlora::monitoring {
namespace {

Counter pictures_done(MetricsRegistry& registry, const char* result) {
  return registry.counter("sdlora_cache_images_done_total", "Pictures that cache_latents has done",
                          {{"result", result}});
}

}  // namespace

CacheMetrics::CacheMetrics(MetricsRegistry& registry)
    : pictures_(registry.gauge("sdlora_cache_images",
                               "Pictures that this process of cache_latents is to look after")),
      encoded_{pictures_done(registry, "encoded"), 0},
      reused_{pictures_done(registry, "reused"), 0} {
  pictures_.set(0);
  export_sign_of_life(registry, [this] { return last_progress_.load(); });
}

void CacheMetrics::record(int64_t count, int64_t encoded_count, int64_t reused_count) {
  pictures_.set(static_cast<double>(count));
  encoded_.raise_to(encoded_count);
  reused_.raise_to(reused_count);
  last_progress_ = std::chrono::system_clock::now();
}

void CacheMetrics::Done::raise_to(int64_t new_count) {
  counter.add(static_cast<double>(new_count - count));
  count = new_count;
}

}  // namespace sdlora::monitoring
