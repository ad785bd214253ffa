#include "common/running_clock.h"

#include <gmock/gmock.h>

namespace sdlora {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""h;

class ARunningClock : public testing::Test {
 protected:
  std::chrono::steady_clock::duration after(std::chrono::steady_clock::duration gap) {
    time_ += gap;
    return clock_.now() - start_;
  }

  RunningClock::TimePoint time_{};
  RunningClock clock_{500ms, [this] { return time_; }};
  const RunningClock::TimePoint start_ = clock_.now();
};

TEST_F(ARunningClock, CountsTimeInWhichItWasAsked) {
  EXPECT_EQ(after(500ms), 500ms);
  EXPECT_EQ(after(900ms), 1400ms) << "a busy machine is late now and then";
}

TEST_F(ARunningClock, CountsAStopAsOnePeriod) {
  after(500ms);
  EXPECT_EQ(after(7h), 1000ms);
  EXPECT_EQ(after(500ms), 1500ms);
  EXPECT_EQ(after(1001ms), 2000ms) << "and a second one, too";
}

TEST_F(ARunningClock, NeverGoesBack) {
  RunningClock::TimePoint before = clock_.now();
  for (const auto gap : {0ms, 1ms, 1000ms, 1001ms, 1500ms, 0ms, 100000ms}) {
    time_ += gap;
    const RunningClock::TimePoint now = clock_.now();
    EXPECT_GE(now, before);
    before = now;
  }
}

}  // namespace
}  // namespace sdlora
