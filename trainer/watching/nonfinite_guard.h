// What becomes of steps that were skipped because they were not finite: counted, named, a few of them kept
// for replay; too many in a row end the run. And no adapter that is not finite is ever written.
#pragma once

#include "comm/watchdog.h"
#include "trainer/run/loaded_run.h"

namespace sdlora::trainer {

class NonfiniteGuard {
 public:
  static constexpr int kMaxRecords = 3;  // a process; a run that only makes NaN shall not fill the disk

  NonfiniteGuard(const TrainConfig& config, comm::Communicator& world) : config_(config), world_(world) {}

  // Steps skipped in a row; part of a checkpoint.
  int64_t consecutive_count() const { return consecutive_count_; }

  void restore(int64_t consecutive_count) { consecutive_count_ = consecutive_count; }

  // (all ranks) After `step` steps. `loaded` is as the last step left it. Throws Error(kDiverged) when it was
  // one non-finite step too many.
  void check(int64_t step, const StepResult& result, const LoadedRun& loaded, const std::string& model_hash,
             comm::Watchdog& watchdog);

 private:
  const TrainConfig& config_;
  comm::Communicator& world_;
  int64_t consecutive_count_ = 0;
  int record_count_ = 0;
};

// Before a file is written. Throws Error(kDiverged) when one of A, B or the optimiser's state is not finite.
void check_finite(const checkpoint::NamedTensors& tensors, const std::string& where);

}  // namespace sdlora::trainer
