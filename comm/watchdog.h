// Ends a process that makes no progress. A collective cannot be cancelled when another rank hangs or is gone:
// the only way out is to leave, so that mpirun or srun ends the job and it can be restarted from its newest
// checkpoint.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

namespace sdlora::comm {

class Watchdog {
 public:
  // Without a call of progress() for `timeout`, one message is logged and the process ends with exit code 70.
  Watchdog(std::string where, std::chrono::seconds timeout);
  ~Watchdog();

  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  // `doing`: what comes next, for the message: "step 12". It may take `timeout_count` timeouts: more than one
  // for waiting while others do what is watched in smaller pieces.
  void progress(std::string doing, int64_t timeout_count = 1);

  // When progress() was called last, or else this was made.
  std::chrono::system_clock::time_point last_progress() const { return last_progress_; }

 private:
  void watch();

  const std::string where_;  // "rank 1 of 2 on node7"
  const std::chrono::seconds timeout_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::chrono::steady_clock::time_point deadline_;
  std::string doing_ = "starting";
  std::atomic<std::chrono::system_clock::time_point> last_progress_ = std::chrono::system_clock::now();
  bool is_over_ = false;
  std::thread thread_;
};

}  // namespace sdlora::comm
