// What is looked at while a run trains: validations, at their steps. It reads the model and never changes it.
#pragma once

#include <functional>

#include "comm/communicator.h"
#include "comm/watchdog.h"
#include "trainer/run_monitor.h"
#include "trainer/run_parts.h"

namespace sdlora::trainer {

class Observer {
 public:
  // `sums_comm`: what the gradients go over. All arguments must outlive the observer.
  Observer(const TrainConfig& config, RunParts& parts, RunMonitor& monitor, comm::Communicator& world,
           comm::Communicator& sums_comm, comm::Watchdog& watchdog);

  // (all ranks) Looks at the model after `step` steps as far as that is due and has not been done by an
  // earlier attempt. Returns whether a rank was asked to stop meanwhile: then something may be left to do,
  // and the run that goes on from this step does it.
  bool look(int64_t step, const std::function<bool()>& stop_requested);

 private:
  bool is_due(int64_t step, int64_t every) const;
  bool validate(int64_t step, const std::function<bool()>& stop_requested);

  const TrainConfig& config_;
  RunParts& parts_;
  RunMonitor& monitor_;
  comm::Communicator& world_;
  comm::Communicator& sums_comm_;
  comm::Watchdog& watchdog_;
};

}  // namespace sdlora::trainer
