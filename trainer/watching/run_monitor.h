// What a run shows while it trains: progress bar, metrics.jsonl, Prometheus, TensorBoard; and a summary at
// its end.
#pragma once

#include <memory>

#include "comm/communicator.h"
#include "trainer/watching/run_metrics.h"

namespace sdlora::trainer {

class RunMonitor {
 public:
  // (all ranks) Rank 0 draws the bar and appends to OUTPUT/metrics.jsonl, which then holds each step up to
  // `first_step` once; every rank serves its metrics, and rank 0 writes OUTPUT/metrics_targets.json.
  RunMonitor(const TrainConfig& config, const LoadedRun& loaded, comm::Communicator& world,
             const comm::Watchdog& watchdog, int64_t first_step);
  ~RunMonitor();

  // (each rank for itself) `step` steps are done; the last one took `step_seconds`.
  void record(int64_t step, const StepResult& result, double step_seconds);

  // (each rank for itself) All steps so far are in metrics.jsonl; else throws Error(kIo).
  void flush();

  // (each rank for itself)
  void record_validation(const monitoring::ValidationRecord& record);

  // Of this rank, for what is measured where it happens.
  RunMetrics& metrics();

  // (all ranks) Whether metrics.jsonl already holds the validation of `step`, the last one in it.
  bool has_validation_of(int64_t step, comm::Communicator& world) const;

  // (each rank for itself) The pictures of the previews after `step` steps are in their folder.
  void record_previews(int64_t step);

  // (each rank for itself) The run ends in order: rank 0 empties OUTPUT/metrics_targets.json.
  void leave(comm::Communicator& world);

  // (each rank for itself) Ends the bar; rank 0 says what the run was like.
  void show_summary();

  // (all ranks) Ends the bar; rank 0 says how much memory every rank took, and what the run was like.
  void finish(comm::Communicator& world);

 private:
  struct Outlets;
  std::unique_ptr<Outlets> outlets_;
};

}  // namespace sdlora::trainer
