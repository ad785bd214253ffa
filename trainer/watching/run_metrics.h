// What Prometheus sees of this rank of a run; monitoring/README.md lists it.
#pragma once

#include <chrono>
#include <optional>

#include "comm/communicator.h"
#include "monitoring/metrics/checkpoint_metrics.h"
#include "monitoring/metrics/endpoint.h"
#include "monitoring/metrics/phase_metrics.h"
#include "monitoring/metrics/quarter_metrics.h"
#include "monitoring/metrics/step_metrics.h"
#include "trainer/options/train_config.h"
#include "trainer/run/loaded_run.h"

namespace sdlora::trainer {

class RunMetrics {
 private:
  monitoring::MetricsRegistry registry_;  // before everything that is in it

 public:
  // `first_step`: steps done before. `watchdog` must outlive it, since it is asked whenever somebody looks.
  // Nothing is served yet.
  RunMetrics(const TrainConfig& config, const LoadedRun& loaded, const comm::Communicator& world,
             const comm::Watchdog& watchdog, int64_t first_step);

  monitoring::PhaseClock step_clock;  // of the step under way
  monitoring::PhaseMetrics phases;
  monitoring::ValidationMetrics validation;
  monitoring::CheckpointMetrics checkpoints;

  // The step that step_clock has timed.
  void record_step(const monitoring::StepRecord& record, const StepResult& result);

  // A part of a sum over all ranks.
  void record_sum(int64_t bytes, double seconds);

  const monitoring::MetricsRegistry& registry() const { return registry_; }

 private:
  struct BoundedNorms {
    monitoring::Gauge scaled_count, mean, largest;
  };

  void look_at_adapter();

  const LoadedRun& loaded_;
  monitoring::StepMetrics steps_;
  monitoring::QuarterLossMetrics quarters_;
  monitoring::Gauge nonfinite_parameters_;
  std::optional<BoundedNorms> bounded_norms_;  // with --max-weight-norm
  monitoring::Counter sum_bytes_, sum_seconds_;
  std::chrono::steady_clock::time_point next_look_;
};

}  // namespace sdlora::trainer
