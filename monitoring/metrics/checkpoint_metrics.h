// The checkpoints of a run, as metrics.
#pragma once

#include <cstdint>
#include <filesystem>

#include "monitoring/metrics/registry.h"

namespace sdlora::monitoring {

class CheckpointMetrics {
 public:
  // `step`: of the checkpoint that the run goes on from; 0 without one.
  CheckpointMetrics(MetricsRegistry& registry, int64_t step);

  // `directory`: whose files it consists of.
  void record(int64_t step, const std::filesystem::path& directory);
  void record_failure();

 private:
  Gauge step_;
  Gauge last_success_;
  Gauge size_bytes_;
  Counter failures_;
};

}  // namespace sdlora::monitoring
