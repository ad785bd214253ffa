// What a run shows while it trains: progress bar, metrics.jsonl, Prometheus.
#pragma once

#include <memory>

#include "comm/communicator.h"
#include "trainer/run_metrics.h"

namespace sdlora::trainer {

class RunMonitor {
 public:
  // (all ranks) Rank 0 draws the bar and appends to OUTPUT/metrics.jsonl, which then holds each step up to
  // `first_step` once; every rank serves its metrics, and rank 0 writes OUTPUT/metrics_targets.json.
  RunMonitor(const TrainConfig& config, const RunParts& parts, comm::Communicator& world,
             const comm::Watchdog& watchdog, int64_t first_step);
  ~RunMonitor();

  // (each rank for itself) `step` steps are done; the last one took `step_seconds`.
  void record(int64_t step, const StepResult& result, double step_seconds);

  // (each rank for itself)
  void record_validation(const monitoring::ValidationRecord& record);

  // Of this rank, for what is measured where it happens.
  RunMetrics& metrics();

  // (all ranks) Whether metrics.jsonl already holds the validation of `step`, the last one in it.
  bool has_validation_of(int64_t step, comm::Communicator& world) const;

  // Before other lines on the terminal.
  void hide_bar();

  // (each rank for itself) The run ends in order: rank 0 removes OUTPUT/metrics_targets.json.
  void leave(comm::Communicator& world);

  // (all ranks) Ends the bar; rank 0 says how much memory every rank took.
  void finish(comm::Communicator& world);

 private:
  struct Outlets;
  std::unique_ptr<Outlets> outlets_;
};

}  // namespace sdlora::trainer
