// Whether a failed run is started again, and after how long a pause. Pure: it reads no clock and no file.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace sdlora::launcher {

struct RestartLimits {
  int max_restarts = 10;           // in a row without a newer checkpoint
  int max_failures_at_a_step = 2;  // with the same exit code, in a row
  double first_pause_seconds = 1;  // doubles with every restart in a row
  double longest_pause_seconds = 60;
};

struct FailedAttempt {
  int exit_code = 0;
  int64_t last_step = 0;        // done when it failed; 0: none
  int64_t checkpoint_step = 0;  // of the newest checkpoint; 0: there is none
};

struct RestartDecision {
  std::optional<std::chrono::milliseconds> pause;  // none: give up
  std::string reason;                              // why it gives up; empty otherwise
};

class RestartPolicy {
 public:
  // `checkpoint_step`: of the newest checkpoint before the first attempt.
  RestartPolicy(const RestartLimits& limits, int64_t checkpoint_step);

  // `jitter` in 0…1 spreads the restarts of many jobs that one fault ended: the pause is half to whole what
  // the back-off says. A newer checkpoint than at the failure before starts the count and the back-off anew.
  RestartDecision after(const FailedAttempt& failure, double jitter);

 private:
  const RestartLimits limits_;
  int64_t checkpoint_step_;
  std::optional<FailedAttempt> previous_;
  int restarts_in_a_row_ = 0;
  int failures_at_this_step_ = 0;
};

}  // namespace sdlora::launcher
