// A save that dies or fails at any moment leaves the older checkpoints, and no half one that loads.
#include <chrono>
#include <csignal>
#include <random>
#include <thread>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "checkpoint/checkpoint_store.h"
#include "checkpoint_testing.h"

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
Checkpoint checkpoint_of(int64_t step) {
  return {.step = step,
          .adapter = {{"a", at::full({kElements}, static_cast<double>(step))}},
          .optimizer = {{"m", at::full({kElements}, static_cast<double>(-step))}},
          .state_json = std::to_string(step)};
}

void expect_whole(const Checkpoint& seen) {
  EXPECT_EQ(seen.state_json, std::to_string(seen.step));
  EXPECT_TRUE(at::equal(seen.adapter.at("a"), checkpoint_of(seen.step).adapter.at("a")));
  EXPECT_TRUE(at::equal(seen.optimizer.at("m"), checkpoint_of(seen.step).optimizer.at("m")));
}

// Runs `child` in a process of its own and kills it after the delay.
void kill_during(const std::function<void()>& child, std::chrono::microseconds delay) {
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

int64_t newest_step(const std::filesystem::path& run_directory) {
  const NewestCheckpoint newest = load_newest_checkpoint(run_directory);
  EXPECT_TRUE(newest.checkpoint.has_value());
  EXPECT_TRUE(newest.skipped_reasons.empty()) << newest.skipped_reasons.front();
  expect_whole(*newest.checkpoint);
  return newest.checkpoint->step;
}

TEST_F(CheckpointCrash, KilledAtAnyMomentTheNewestIsWholeAndNeverOlderThanBefore) {
  const TemporaryFolder run;
  save_checkpoint(run.path(), checkpoint_of(0));
  std::mt19937 random(20260101);
  int64_t step = 0;
  for (int round = 0; round < 40; ++round) {
    const std::chrono::microseconds delay(random() % 30'000);
    kill_during(
        [&] {
          for (int64_t next = step + 1;; ++next) save_checkpoint(run.path(), checkpoint_of(next));
        },
        delay);
    const int64_t seen = newest_step(run.path());
    EXPECT_GE(seen, step);
    step = seen;
    remove_leftovers(run.path());
    for (const std::string& name : run.names()) EXPECT_THAT(name, StartsWith("checkpoint-step-"));
  }
  EXPECT_GT(step, 0) << "no child lived long enough to save";
}

TEST_F(CheckpointCrash, KilledWhileReplacingTheOnlyCheckpointItIsStillThere) {
  const TemporaryFolder run;
  save_checkpoint(run.path(), checkpoint_of(3));
  std::mt19937 random(20260102);
  for (int round = 0; round < 40; ++round) {
    kill_during(
        [&] {
          while (true) save_checkpoint(run.path(), checkpoint_of(3));
        },
        std::chrono::microseconds(random() % 30'000));
    EXPECT_EQ(newest_step(run.path()), 3);
    if (round % 2 == 0) remove_leftovers(run.path());
  }
  remove_leftovers(run.path());
  EXPECT_THAT(run.names(), ElementsAre("checkpoint-step-3"));
}

// In a child, because the limit stays. The exit status is 0 when the save failed as it should.
int save_with_file_limit(const std::filesystem::path& run_directory, rlim_t limit_bytes) {
  const pid_t process = ::fork();
  if (process == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{limit_bytes, limit_bytes};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    const std::string message = error_of([&] { save_checkpoint(run_directory, checkpoint_of(2)); });
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
  save_checkpoint(run.path(), checkpoint_of(1));
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
  save_checkpoint(disk.path(), checkpoint_of(1));
  const std::string message = error_of([&] { save_checkpoint(disk.path(), checkpoint_of(2)); });
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
