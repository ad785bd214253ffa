// A clock that stands still while its process does: stopped (SIGSTOP, Ctrl-Z, gang scheduling), frozen with
// its cgroup or container, or asleep with the machine. Time in which a process could not run says nothing of
// its progress, so patience with it is counted by this clock.
#pragma once

#include <chrono>
#include <functional>

namespace sdlora {

class RunningClock {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  // Asked at least once a `period` while the process runs. More than two periods between two questions were a
  // stop, and count as one period. `source`: CLOCK_MONOTONIC unless a test brings another.
  explicit RunningClock(std::chrono::steady_clock::duration period,
                        std::function<TimePoint()> source = std::chrono::steady_clock::now);

  // Not from two threads at a time.
  TimePoint now();

 private:
  const std::chrono::steady_clock::duration period_;
  const std::function<TimePoint()> source_;
  TimePoint last_asked_;
  std::chrono::steady_clock::duration stopped_{0};
};

}  // namespace sdlora
