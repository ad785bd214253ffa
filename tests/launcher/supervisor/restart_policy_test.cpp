#include "launcher/supervisor/restart_policy.h"

#include <gmock/gmock.h>

namespace sdlora::launcher {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

constexpr int kKilled = 137;
constexpr int kIo = 74;
constexpr int kHostLost = 205;

// A failure at another step each time, without a newer checkpoint.
FailedAttempt failure_number(int number) {
  return {.exit_code = kKilled, .last_step = 10 + number, .checkpoint_step = 10};
}

TEST(RestartPolicy, DoublesThePauseUpToAMinute) {
  RestartPolicy policy({.max_restarts = 20}, 10);
  int number = 0;
  for (const int seconds : {1, 2, 4, 8, 16, 32, 60, 60})
    EXPECT_EQ(policy.after(failure_number(++number), 1).pause, milliseconds(1000 * seconds));
}

TEST(RestartPolicy, GivesUpAfterTheLastRestartWithoutProgress) {
  RestartPolicy policy({.max_restarts = 3}, 10);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(policy.after(failure_number(i), 1).pause) << i;
  const RestartDecision decision = policy.after(failure_number(3), 1);
  EXPECT_FALSE(decision.pause);
  EXPECT_THAT(decision.reason,
              HasSubstr("3 restarts in a row brought no newer checkpoint than that of step 10"));
}

TEST(RestartPolicy, CountsAnewAfterANewerCheckpoint) {
  RestartPolicy policy({.max_restarts = 1}, 0);
  for (int i = 1; i < 50; ++i) {
    const RestartDecision decision =
        policy.after({.exit_code = kKilled, .last_step = 10 * i + 3, .checkpoint_step = 10 * i}, 1);
    EXPECT_EQ(decision.pause, milliseconds(1000)) << i;
  }
}

TEST(RestartPolicy, GivesUpWhenTheSameStepFailsTwice) {
  RestartPolicy policy({}, 0);
  const FailedAttempt failure{.exit_code = kKilled, .last_step = 7, .checkpoint_step = 6};
  EXPECT_TRUE(policy.after(failure, 1).pause);
  const RestartDecision decision = policy.after(failure, 1);
  EXPECT_FALSE(decision.pause);
  EXPECT_THAT(decision.reason, HasSubstr("after step 7 (exit code 137)"));
}

TEST(RestartPolicy, TakesTwoFailuresOfAnotherKindAtAStepForTwoFaults) {
  RestartPolicy policy({}, 0);
  EXPECT_TRUE(policy.after({.exit_code = kKilled, .last_step = 7, .checkpoint_step = 6}, 1).pause);
  EXPECT_TRUE(policy.after({.exit_code = kIo, .last_step = 7, .checkpoint_step = 6}, 1).pause);
}

TEST(RestartPolicy, DoesNotBlameTheStepForALostHost) {
  RestartPolicy policy({.max_restarts = 5}, 0);
  for (int i = 0; i < 5; ++i)
    EXPECT_TRUE(policy.after({.exit_code = kHostLost, .last_step = 7, .checkpoint_step = 6}, 1).pause) << i;
}

TEST(RestartPolicy, WaitsLongerForAFileSystem) {
  RestartPolicy policy({}, 0);
  EXPECT_EQ(policy.after({.exit_code = kIo, .last_step = 1, .checkpoint_step = 0}, 1).pause,
            milliseconds(10'000));
}

TEST(RestartPolicy, SpreadsRestartsOverHalfThePause) {
  for (const auto& [jitter, pause] : {std::pair(0.0, 500), std::pair(0.5, 750), std::pair(1.0, 1000)})
    EXPECT_EQ(RestartPolicy({}, 10).after(failure_number(0), jitter).pause, milliseconds(pause));
}

}  // namespace
}  // namespace sdlora::launcher
