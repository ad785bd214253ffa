// What Prometheus can scrape from one rank: the metrics, and the HTTP endpoint that serves them under
// /metrics. Nothing here stops a training: without a port it runs unwatched, after one warning.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "monitoring/step_record.h"
#include "monitoring/validation_record.h"

namespace prometheus {
class Exposer;
class Registry;
}  // namespace prometheus

namespace sdlora::monitoring {

// Every series exists from the start. Counters begin at 0 in each process, as rate() expects; the gauge
// sdlora_step carries the true step of a resumed run.
class TrainingMetrics {
 public:
  // `build_labels` of sdlora_build_info: version, torch, backend, …
  explicit TrainingMetrics(const std::map<std::string, std::string>& build_labels);
  ~TrainingMetrics();

  // `samples`: of the global batch. Skipped steps count as steps.
  void record_step(const StepRecord& record, int64_t samples);

  // The gauges of the validation are NaN until there is one.
  void record_validation(const ValidationRecord& record);

 private:
  friend class MetricsEndpoint;
  struct Series;

  std::shared_ptr<prometheus::Registry> registry_;
  std::unique_ptr<Series> series_;
};

class MetricsEndpoint {
 public:
  // Serves on address:port; port 0 takes a free one, and so does, with a warning, a port that is in use.
  // Starts threads: not before a fork.
  MetricsEndpoint(const TrainingMetrics& metrics, const std::string& address, int port);
  ~MetricsEndpoint();

  // Where Prometheus finds it: "127.0.0.1:9400", or this host's name when it listens on all addresses. Empty
  // when nothing is served.
  const std::string& target() const { return target_; }

 private:
  std::shared_ptr<prometheus::Registry> registry_;  // the exposer only looks at it
  std::string address_;
  std::unique_ptr<prometheus::Exposer> exposer_;
  std::string target_;
};

}  // namespace sdlora::monitoring
