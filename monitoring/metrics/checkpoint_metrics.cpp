#include "monitoring/metrics/checkpoint_metrics.h"

namespace sdlora::monitoring {

CheckpointMetrics::CheckpointMetrics(MetricsRegistry& registry, int64_t step)
    : step_(registry.gauge("sdlora_checkpoint_step", "Step of the newest checkpoint; 0 without one")),
      last_success_(registry.gauge("sdlora_checkpoint_last_success_timestamp_seconds",
                                   "When this process last wrote a checkpoint")),
      size_bytes_(
          registry.gauge("sdlora_checkpoint_size_bytes", "Size of the newest checkpoint of this process")),
      failures_(
          registry.counter("sdlora_checkpoint_failures_total", "Checkpoints that could not be written")) {
  step_.set(static_cast<double>(step));
}

void CheckpointMetrics::record(int64_t step, const std::filesystem::path& directory) {
  std::error_code failure;  // another host may not show the files yet: no training stops for that
  double size_bytes = 0;
  for (const auto& file : std::filesystem::directory_iterator(directory, failure))
    if (const auto bytes = file.file_size(failure); !failure) size_bytes += static_cast<double>(bytes);
  step_.set(static_cast<double>(step));
  size_bytes_.set(size_bytes);
  last_success_.set_to_now();
}

void CheckpointMetrics::record_failure() {
  failures_.add();
}

}  // namespace sdlora::monitoring
