// Ends a process that makes no progress. A collective cannot be cancelled when another rank hangs or is gone:
// the only way out is to leave, so that mpirun or srun ends the job and it can be restarted from its newest
// checkpoint. Time is CLOCK_MONOTONIC throughout, since the wall clock may jump, and of that only what this
// process could run in: one that was stopped and goes on has as much patience left as before.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "comm/collective_log.h"
#include "comm/flight_record.h"
#include "common/running_clock.h"

namespace sdlora::comm {

// How long a section may go without a sign of progress.
struct Patience {
  std::chrono::seconds start_up;  // loading and hashing the model and the data
  std::chrono::seconds step;      // everything else; a checkpoint gets twice that

  std::chrono::seconds in(Section section) const;
};

class Watchdog {
 public:
  // Without a call of progress() in time the process writes `record_file` (empty: none) and one message, and
  // ends with exit code 70, at the latest 5 s later whatever may be stuck. `log`: of the world's
  // communicator; must outlive the watchdog.
  Watchdog(std::string place, CollectiveLog& log, Patience patience, std::filesystem::path record_file);
  ~Watchdog();

  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  // `doing`: what comes next, for the message: "sample 3". It may take `timeout_count` times the section's
  // patience: more than one for waiting while others do what is watched in smaller pieces.
  void progress(Section section, std::string doing, int64_t timeout_count = 1);

  // What follows belongs to `step`, counted from 1; 0: before the first.
  void at_step(int64_t step) { log_.set_step(step); }

  // Called when time is up, before the process ends, on another thread: to abort what can be aborted. An
  // empty one takes it back.
  void on_expiry(std::function<void()> last_act);

  // When progress() was called last, or else this was made.
  std::chrono::system_clock::time_point last_progress() const { return last_progress_; }

 private:
  void end_threads();
  void watch();   // the thread that ends the process
  void report();  // the thread that may get stuck in a log file or the library

  const std::string place_;  // "rank 1 of 2 on host node7"
  CollectiveLog& log_;
  const Patience patience_;
  std::mutex mutex_;
  std::condition_variable changed_;
  FlightRecord record_;
  std::function<void()> last_act_;
  RunningClock clock_;  // asked under the mutex
  RunningClock::TimePoint last_sign_;
  RunningClock::TimePoint deadline_;
  std::string doing_ = "starting";
  std::atomic<std::chrono::system_clock::time_point> last_progress_ = std::chrono::system_clock::now();
  bool is_over_ = false, is_expired_ = false, is_reported_ = false;
  std::thread watcher_, reporter_;
};

}  // namespace sdlora::comm
