#include "common/running_clock.h"

#include <utility>

namespace sdlora {

RunningClock::RunningClock(std::chrono::steady_clock::duration period, std::function<TimePoint()> source)
    : period_(period), source_(std::move(source)), last_asked_(source_()) {}

RunningClock::TimePoint RunningClock::now() {
  const TimePoint asked = source_();
  if (asked - last_asked_ > 2 * period_) stopped_ += asked - last_asked_ - period_;
  last_asked_ = asked;
  return asked - stopped_;
}

}  // namespace sdlora
