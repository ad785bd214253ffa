#include "comm/watchdog.h"

#include <gtest/gtest.h>

namespace sdlora::comm {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;

TEST(WatchdogDeathTest, EndsAProcessThatMakesNoProgress) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        Watchdog watchdog("rank 1 of 2", 1s);
        watchdog.progress("step 12");
        std::this_thread::sleep_for(10s);
      },
      testing::ExitedWithCode(70), "no progress.*step 12.*rank 1 of 2");
}

TEST(Watchdog, LeavesAProcessAloneThatGoesOn) {
  Watchdog watchdog("rank 0 of 1", 1s);
  for (int i = 0; i < 15; ++i) {
    std::this_thread::sleep_for(100ms);
    watchdog.progress("a step");
  }
}

TEST(Watchdog, EndsAtOnceWhenItIsNotNeededAnyMore) {
  const auto start = std::chrono::steady_clock::now();
  { Watchdog watchdog("rank 0 of 1", 300s); }
  EXPECT_LT(std::chrono::steady_clock::now() - start, 1s);
}

}  // namespace
}  // namespace sdlora::comm
