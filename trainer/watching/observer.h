// What is looked at while a run trains: validations and previews at their steps, and report.html, which shows
// them. It reads the model and never changes it.
#pragma once

#include <functional>

#include "comm/communicator.h"
#include "comm/watchdog.h"
#include "monitoring/records/table_row.h"
#include "trainer/run/loaded_run.h"
#include "trainer/watching/previews.h"
#include "trainer/watching/run_monitor.h"

namespace sdlora::trainer {

class Observer {
 public:
  // `previews` may be null. `sums_comm`: what the gradients go over. `startup_table`: the run in words. All
  // references must outlive the observer.
  Observer(const TrainConfig& config, LoadedRun& loaded, RunMonitor& monitor, Previews* previews,
           comm::Communicator& world, comm::Communicator& sums_comm, comm::Watchdog& watchdog,
           std::vector<monitoring::TableRow> startup_table);

  // (all ranks) Before the first look: a run that starts afresh forgets an earlier attempt's pictures.
  void prepare(int64_t first_step);

  // (all ranks) Looks at the model after `step` steps as far as that is due and has not been done by an
  // earlier attempt. Returns whether a rank was asked to stop meanwhile: then something may be left to do,
  // and the run that goes on from this step does it.
  bool look(int64_t step, const std::function<bool()>& stop_requested);

  // (each rank for itself; rank 0 writes) OUTPUT/report.html, with the state in a word. Never stops a run.
  void report(int64_t step, const std::string& state) const;

 private:
  bool is_due(int64_t step, const Interval& every) const;
  bool draw_previews(int64_t step, const std::function<bool()>& stop_requested);
  bool validate(int64_t step, const std::function<bool()>& stop_requested);

  const TrainConfig& config_;
  LoadedRun& loaded_;
  RunMonitor& monitor_;
  Previews* previews_;
  comm::Communicator& world_;
  comm::Communicator& sums_comm_;
  comm::Watchdog& watchdog_;
  std::vector<monitoring::TableRow> startup_table_;
};

}  // namespace sdlora::trainer
