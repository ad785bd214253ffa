// Where the time of a step goes, by this host's clock. On a GPU, where calls only queue work, a phase's time
// is that of the queueing, and of waiting where the host waits: nothing here makes it wait.
#pragma once

#include <array>
#include <chrono>

namespace sdlora::monitoring {

enum class StepPhase { kDataWait, kForward, kBackward, kReduce, kUpdate };

inline constexpr size_t kStepPhaseCount = 5;

class PhaseClock {
 public:
  // Ends the phase before, if there is one. A phase that is entered again goes on counting.
  void enter(StepPhase phase) {
    leave();
    current_ = static_cast<size_t>(phase);
    is_running_ = true;
  }

  void leave() {
    const Clock::time_point now = Clock::now();
    if (is_running_) seconds_[current_] += std::chrono::duration<double>(now - start_).count();
    is_running_ = false;
    start_ = now;
  }

  // By phase, since the construction or the last reset().
  const std::array<double, kStepPhaseCount>& seconds() const { return seconds_; }

  void reset() { seconds_ = {}; }

 private:
  using Clock = std::chrono::steady_clock;

  std::array<double, kStepPhaseCount> seconds_{};
  Clock::time_point start_;
  size_t current_ = 0;
  bool is_running_ = false;
};

}  // namespace sdlora::monitoring
