#include "monitoring/metrics/sign_of_life.h"

namespace sdlora::monitoring {

void export_sign_of_life(MetricsRegistry& registry,
                         std::function<std::chrono::system_clock::time_point()> last_progress) {
  Gauge gauge = registry.gauge("sdlora_last_progress_timestamp_seconds",
                               "When this rank last showed a sign of life: a micro-batch, a part of a "
                               "validation, a checkpoint, a cached picture");
  registry.before_scrape([gauge, ask = std::move(last_progress)]() mutable { gauge.set_to(ask()); });
}

}  // namespace sdlora::monitoring
