#include "process/stop_signals.h"

#include <chrono>
#include <csignal>
#include <thread>

#include <gmock/gmock.h>

namespace sdlora::process {
namespace {

// What is remembered belongs to the process: each test has one of its own.
class StopSignalsDeathTest : public testing::Test {
 protected:
  StopSignalsDeathTest() { testing::FLAGS_gtest_death_test_style = "threadsafe"; }
};

// Long enough that the next TERM does not count as the same one.
void be_patient() {
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
}

[[noreturn]] void leave() {
  std::_Exit(stop_was_requested() ? 75 : 0);
}

using testing::ExitedWithCode;
using testing::KilledBySignal;

TEST_F(StopSignalsDeathTest, AreRememberedWhichAskToSave) {
  for (const int signal : {SIGUSR1, SIGUSR2, SIGTERM, SIGHUP})
    EXPECT_EXIT((watch_stop_signals(), std::raise(signal), leave()), ExitedWithCode(75), "") << signal;
  EXPECT_EXIT((watch_stop_signals(), leave()), ExitedWithCode(0), "");
}

TEST_F(StopSignalsDeathTest, EndTheProcessWhichAskToEnd) {
  for (const int signal : {SIGINT, SIGQUIT})
    EXPECT_EXIT((watch_stop_signals(), std::raise(signal), leave()), KilledBySignal(signal), "") << signal;
}

TEST_F(StopSignalsDeathTest, ASecondTermEndsTheProcess) {
  EXPECT_EXIT((watch_stop_signals(), std::raise(SIGTERM), be_patient(), std::raise(SIGTERM), leave()),
              KilledBySignal(SIGTERM), "");
}

TEST_F(StopSignalsDeathTest, OthersMayComeAsOftenAsTheyLike) {
  EXPECT_EXIT((watch_stop_signals(), std::raise(SIGTERM), std::raise(SIGTERM), be_patient(),
               std::raise(SIGUSR1), std::raise(SIGHUP), std::raise(SIGHUP), leave()),
              ExitedWithCode(75), "");
}

TEST_F(StopSignalsDeathTest, TermAndHupEndTheProcessWhereTheyShallNotSave) {
  for (const int signal : {SIGTERM, SIGHUP}) {
    EXPECT_EXIT((watch_stop_signals(), let_term_save(false), std::raise(signal), leave()),
                KilledBySignal(signal), "");
    EXPECT_EXIT((watch_stop_signals(), std::raise(signal), let_term_save(false), leave()),
                KilledBySignal(signal), "")
        << "it came before the options were read";
  }
  EXPECT_EXIT((watch_stop_signals(), let_term_save(false), std::raise(SIGUSR1), leave()), ExitedWithCode(75),
              "");
}

TEST_F(StopSignalsDeathTest, StayIgnoredWhereOurParentIgnoresThem) {
  for (const int signal : {SIGHUP, SIGINT, SIGQUIT})
    EXPECT_EXIT((std::signal(signal, SIG_IGN), watch_stop_signals(), std::raise(signal), leave()),
                ExitedWithCode(0), "")
        << signal;
}

}  // namespace
}  // namespace sdlora::process
