#include "launcher/supervisor/child_process.h"

#include <csignal>
#include <thread>

#include <gmock/gmock.h>
#include <unistd.h>

#include "common/error.h"
#include "launcher/supervisor/stray_processes.h"

namespace sdlora::launcher {
namespace {

int exit_code_of(ChildProcess& child) {
  for (;;) {
    if (const auto exit_code = child.poll()) return *exit_code;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

// Of this test alone, and not of another that runs beside it.
std::string own_mark() {
  return "SDLORA_RUN=/child-process-test/" + std::to_string(::getpid());
}

void wait_for_marked(size_t count) {
  while (processes_marked(own_mark()).size() != count)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
}

TEST(ChildProcess, ReturnsTheExitCodeOrTheSignal) {
  ChildProcess leaves({"sh", "-c", "exit 75"}, {});
  EXPECT_EQ(exit_code_of(leaves), 75);
  ChildProcess dies({"sh", "-c", "kill -9 $$"}, {});
  EXPECT_EQ(exit_code_of(dies), 137);
}

TEST(ChildProcess, AddsToTheEnvironmentAndReplaces) {
  ::setenv("SDLORA_CHILD_TEST", "old", 1);
  ChildProcess child(
      {"sh", "-c", "test \"$SDLORA_CHILD_TEST\" = new && env | grep -c SDLORA_CHILD_TEST | grep -qx 1"},
      {"SDLORA_CHILD_TEST=new"});
  EXPECT_EQ(exit_code_of(child), 0);
}

TEST(ChildProcess, SaysThatAProgramIsMissing) {
  try {
    ChildProcess child({"no-such-program"}, {});
    FAIL() << "started";
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::kMismatch);
    EXPECT_THAT(error.what(), ::testing::HasSubstr("cannot start no-such-program"));
  }
}

TEST(ChildProcess, GetsSignalsAlthoughWeHoldThemBack) {
  SignalInbox inbox;
  ChildProcess child({"sleep", "600"}, {});
  child.send(SIGUSR1);
  EXPECT_EQ(exit_code_of(child), 128 + SIGUSR1);
}

TEST(ChildProcess, TakesItsWholeGroupWithIt) {
  {
    ChildProcess child({"sh", "-c", "sleep 600 & sleep 600"}, {own_mark()});
    wait_for_marked(3);
  }
  wait_for_marked(0);
}

TEST(ChildProcess, IsKilledBeforeUsWhenMemoryIsShort) {
  ChildProcess child({"sh", "-c",
                      "own=$(cat /proc/self/oom_score_adj); test $own -gt $(cat /proc/$PPID/oom_score_adj) "
                      "-o $own -eq 1000"},
                     {});
  EXPECT_EQ(exit_code_of(child), 0);
}

TEST(SignalInbox, HandsOutSignalsInPlaceOfDyingOfThem) {
  SignalInbox inbox;
  while (inbox.wait(std::chrono::milliseconds(1))) continue;  // of children of other tests
  ::kill(::getpid(), SIGTERM);
  EXPECT_EQ(inbox.wait(std::chrono::milliseconds(5000)), SIGTERM);
}

TEST(Leftovers, AreFoundByTheirMarkAndKilled) {
  ChildProcess child({"sleep", "600"}, {own_mark()});
  wait_for_marked(1);
  EXPECT_EQ(kill_marked(own_mark() + "0"), 0) << "the mark is a whole value";
  EXPECT_EQ(kill_marked(own_mark()), 1);
  EXPECT_EQ(exit_code_of(child), 137);
}

}  // namespace
}  // namespace sdlora::launcher
