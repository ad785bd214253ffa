// What cache_latents shows while it works: a progress bar, and metrics for Prometheus.
#pragma once

#include <optional>

#include "comm/communicator.h"
#include "data/caching/cache_command_line.h"
#include "monitoring/metrics/cache_metrics.h"
#include "monitoring/metrics/endpoint.h"
#include "monitoring/terminal/progress_bar.h"

namespace sdlora::data {

class CacheMonitor {
 public:
  // (all ranks) Every rank serves its metrics.
  CacheMonitor(const CacheCommand& command, comm::Communicator& world);

  // However the run ends, rank 0 removes the metrics_targets.json that it wrote. That of another run, which
  // may be why this one was refused, stays.
  ~CacheMonitor();

  CacheMonitor(const CacheMonitor&) = delete;
  CacheMonitor& operator=(const CacheMonitor&) = delete;

  // (each rank for itself) At the first call rank 0 starts the bar and writes OUTPUT/metrics_targets.json.
  // Throws Error(kIo).
  void show(const CacheMark& mark);

  // (each rank for itself) The cache is complete: rank 0 removes metrics_targets.json, which is no part of
  // it; also one that a killed run has left.
  void finish();

 private:
  void take_targets_away() const;

  std::filesystem::path output_;
  bool is_first_rank_;
  monitoring::MetricsRegistry registry_;
  monitoring::CacheMetrics metrics_{registry_};
  monitoring::MetricsEndpoint endpoint_;
  std::vector<std::string> addresses_;  // of all ranks
  std::optional<monitoring::ProgressBar> bar_;
};

}  // namespace sdlora::data
