// A save that dies or fails at any moment leaves the older checkpoints, and no half one that loads.
#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <random>
#include <thread>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "checkpoint/checkpoint_store.h"
#include "tests/support/error_of.h"
#include "tests/support/temporary_folder.h"

namespace sdlora::checkpoint {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// A forked child has none of its parent's OpenMP threads and would wait for them: nobody may start any.
class CheckpointCrash : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { at::set_num_threads(1); }
};

constexpr int64_t kElements = 50'000;

// Every element says which step it is from.
Checkpoint small_checkpoint(int64_t step) {
  return {.step = step,
          .adapter = {{"a", at::full({kElements}, static_cast<double>(step))}},
          .optimizer = {{"m", at::full({kElements}, static_cast<double>(-step))}},
          .state_json = std::to_string(step)};
}

void expect_whole(const Checkpoint& seen) {
  EXPECT_EQ(seen.state_json, std::to_string(seen.step));
  EXPECT_TRUE(at::equal(seen.adapter.at("a"), small_checkpoint(seen.step).adapter.at("a")));
  EXPECT_TRUE(at::equal(seen.optimizer.at("m"), small_checkpoint(seen.step).optimizer.at("m")));
}

using Milliseconds = std::chrono::duration<double, std::milli>;

// Runs `child` in a process of its own and kills it after the delay.
void kill_after(const std::function<void()>& child, Milliseconds delay) {
  const pid_t process = ::fork();
  ASSERT_GE(process, 0);
  if (process == 0) {
    child();
    ::_exit(0);
  }
  std::this_thread::sleep_for(delay);
  ::kill(process, SIGKILL);
  ::waitpid(process, nullptr, 0);
}

enum class Ending { kKilled, kFinished, kNotAllowed };

// Of memory alone: how many of these there are depends on the heap, and none of them reaches the disk.
bool is_about_memory(uint64_t system_call) {
  constexpr std::array<uint64_t, 6> kCalls = {SYS_brk,     SYS_mmap,   SYS_munmap,
                                              SYS_madvise, SYS_mremap, SYS_mprotect};
  return std::find(kCalls.begin(), kCalls.end(), system_call) != kCalls.end();
}

// Runs `child` in a process of its own and kills it as it enters its system call number `call`, counted
// from 1 and without those about memory.
Ending kill_at_system_call(const std::function<void()>& child, int call) {
  const pid_t process = ::fork();
  if (process == 0) {
    if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) ::_exit(1);
    ::raise(SIGSTOP);
    child();
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(process, &status, 0);
  if (WIFEXITED(status)) return Ending::kNotAllowed;
  ::ptrace(PTRACE_SETOPTIONS, process, nullptr, PTRACE_O_TRACESYSGOOD);  // or the stops do not say which call
  for (int entered = 0; entered < call;) {  // each call stops the child as it enters and as it leaves
    ::ptrace(PTRACE_SYSCALL, process, nullptr, nullptr);
    ::waitpid(process, &status, 0);
    if (WIFEXITED(status)) return Ending::kFinished;
    __ptrace_syscall_info stop{};
    EXPECT_GT(::ptrace(PTRACE_GET_SYSCALL_INFO, process, sizeof(stop), &stop), 0);
    entered += stop.op == PTRACE_SYSCALL_INFO_ENTRY && !is_about_memory(stop.entry.nr);
  }
  ::kill(process, SIGKILL);
  ::waitpid(process, nullptr, 0);
  return Ending::kKilled;
}

int64_t newest_step(const std::filesystem::path& run_directory) {
  const NewestCheckpoint newest = load_newest_checkpoint(run_directory);
  EXPECT_TRUE(newest.checkpoint.has_value());
  EXPECT_TRUE(newest.skipped_reasons.empty()) << newest.skipped_reasons.front();
  expect_whole(newest.checkpoint.value());
  return newest.checkpoint->step;
}

// Calls `check` after a death at every single system call of `child`.
void for_every_death(const std::function<void()>& child, const std::function<void()>& check) {
  int deaths = 0;
  while (true) {
    const Ending ending = kill_at_system_call(child, deaths + 1);
    if (ending == Ending::kNotAllowed) GTEST_SKIP() << "this machine does not let a process trace its child";
    check();
    if (ending == Ending::kFinished) break;
    ++deaths;
    if (::testing::Test::HasFailure()) FAIL() << "killed at system call " << deaths;
  }
  EXPECT_GT(deaths, 30) << "a save of four files with fsync and rename makes more calls than this";
}

TEST_F(CheckpointCrash, AtEverySystemCallOfASaveTheOldOrTheNewCheckpointIsTheNewestWholeOne) {
  const TemporaryFolder run;
  const auto save = [&] { save_checkpoint(run.path(), small_checkpoint(2)); };
  save_checkpoint(run.path(), small_checkpoint(1));
  int64_t newest_so_far = 1;
  for_every_death(save, [&] {
    const int64_t newest = newest_step(run.path());
    EXPECT_GE(newest, newest_so_far) << "a later death saved less";
    newest_so_far = newest;
    std::filesystem::remove_all(run / "checkpoint-step-2");
    remove_leftovers(run.path());
    EXPECT_THAT(run.names(), ElementsAre("checkpoint-step-1"));
  });
  EXPECT_EQ(newest_so_far, 2);
}

TEST_F(CheckpointCrash, AtEverySystemCallOfAReplacementTheOnlyCheckpointIsThere) {
  const TemporaryFolder run;
  save_checkpoint(run.path(), small_checkpoint(3));
  bool is_cleaned = false;
  for_every_death([&] { save_checkpoint(run.path(), small_checkpoint(3)); },
                  [&] {
                    EXPECT_EQ(newest_step(run.path()), 3);
                    if ((is_cleaned = !is_cleaned)) remove_leftovers(run.path());
                    EXPECT_EQ(newest_step(run.path()), 3);
                  });
  remove_leftovers(run.path());
  EXPECT_THAT(run.names(), ElementsAre("checkpoint-step-3"));
}

TEST_F(CheckpointCrash, KilledAtRandomTimesTheNewestIsWholeAndNeverOlderThanBefore) {
  const TemporaryFolder run;
  save_checkpoint(run.path(), small_checkpoint(0));
  std::mt19937 random(20260101);
  Milliseconds longest_delay(4);
  int64_t step = 0;
  for (int round = 0; round < 40; ++round) {
    const auto save_on = [&] {
      for (int64_t next = step + 1;; ++next) save_checkpoint(run.path(), small_checkpoint(next));
    };
    kill_after(save_on, longest_delay * std::uniform_real_distribution<>(0, 1)(random));
    const int64_t seen = newest_step(run.path());
    EXPECT_GE(seen, step);
    longest_delay *= seen == step ? 1.5 : 0.7;  // stays near the time of a save, however slow the machine
    step = seen;
    remove_leftovers(run.path());
    for (const std::string& name : run.names()) EXPECT_THAT(name, StartsWith("checkpoint-step-"));
  }
  EXPECT_GT(step, 0) << "no child lived long enough to save";
}

// In a child, because the limit stays. The exit status is 0 when the save failed as it should.
int save_with_file_limit(const std::filesystem::path& run_directory, rlim_t limit_bytes) {
  const pid_t process = ::fork();
  if (process == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{limit_bytes, limit_bytes};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    const std::string message = error_of([&] { save_checkpoint(run_directory, small_checkpoint(2)); });
    const bool is_right = message.starts_with("74 ") && message.find("File too large") != std::string::npos &&
                          message.find("checkpoint-step-2") != std::string::npos;
    ::_exit(is_right ? 0 : 1);
  }
  int status = -1;
  ::waitpid(process, &status, 0);
  return status;
}

TEST_F(CheckpointCrash, AFailedWriteIsAnErrorAndLeavesNothing) {
  const TemporaryFolder run;
  save_checkpoint(run.path(), small_checkpoint(1));
  for (const rlim_t limit_bytes : {0, 10, 1000, 199'999}) {
    EXPECT_EQ(save_with_file_limit(run.path(), limit_bytes), 0) << limit_bytes;
    EXPECT_THAT(run.names(), ElementsAre("checkpoint-step-1"));
  }
  EXPECT_EQ(newest_step(run.path()), 1);
}

TEST_F(CheckpointCrash, AFullDiskIsAnErrorThatLeavesTheOldCheckpoint) {
  const TemporaryFolder disk;
  if (::mount("tmpfs", disk.path().c_str(), "tmpfs", 0, "size=700k") != 0) {
    GTEST_SKIP() << "cannot mount a small disk here";
  }
  save_checkpoint(disk.path(), small_checkpoint(1));
  const std::string message = error_of([&] { save_checkpoint(disk.path(), small_checkpoint(2)); });
  const std::vector<std::string> names = disk.names();
  const int64_t step = newest_step(disk.path());
  ::umount(disk.path().c_str());
  EXPECT_THAT(message, AllOf(StartsWith("74"), HasSubstr("No space left"), HasSubstr("checkpoint-step-2"),
                             HasSubstr("make room")));
  EXPECT_THAT(names, ElementsAre("checkpoint-step-1"));
  EXPECT_EQ(step, 1);
}

}  // namespace
}  // namespace sdlora::checkpoint
