#include "launcher/supervisor/run_progress.h"

#include <fstream>

#include <gmock/gmock.h>
#include <unistd.h>

#include "launcher/supervisor/attempt_log.h"

namespace sdlora::launcher {
namespace {

class ARunDirectory : public ::testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(directory_); }

  void TearDown() override { std::filesystem::remove_all(directory_); }

  void write(const std::string& name, const std::string& text) const {
    std::ofstream(directory_ / name, std::ios::app) << text;
  }

  const std::filesystem::path directory_ = std::filesystem::path(::testing::TempDir()) /
                                           ("run-progress-" + std::to_string(::getpid()) + "-" +
                                            ::testing::UnitTest::GetInstance()->current_test_info()->name());
};

TEST_F(ARunDirectory, ThatIsEmptyOrMissingHasNoProgress) {
  for (const auto& directory : {directory_, directory_ / "missing"}) {
    EXPECT_EQ(read_progress(directory).last_step, 0);
    EXPECT_EQ(read_progress(directory).checkpoint_step, 0);
    EXPECT_EQ(next_attempt(directory), 1);
  }
}

TEST_F(ARunDirectory, TellsTheLastWholeStepDespiteATornLine) {
  write("metrics.jsonl", "{\"step\":41,\"loss\":1}\n{\"step\":42,\"loss\":null}\n{\"step\":43,\"lo");
  EXPECT_EQ(read_progress(directory_).last_step, 42);
}

TEST_F(ARunDirectory, TellsTheLastStepOfALongFile) {
  for (int step = 1; step <= 3000; ++step)
    write("metrics.jsonl",
          "{\"step\":" + std::to_string(step) + ",\"loss\":0.123456789,\"learning_rate\":1e-05}\n");
  EXPECT_EQ(read_progress(directory_).last_step, 3000);
}

TEST_F(ARunDirectory, TellsTheHighestFinishedCheckpoint) {
  for (const char* name : {"checkpoint-step-9", "checkpoint-step-10", ".checkpoint-step-11.tmp-7",
                           "checkpoint-step-x", "checkpoint-step-12.old"})
    std::filesystem::create_directory(directory_ / name);
  EXPECT_EQ(read_progress(directory_).checkpoint_step, 10);
}

TEST_F(ARunDirectory, ShowsSignsOfLifeOfTheTrainerOnly) {
  write("log.txt", "line\n");
  const auto before = newest_sign_of_life(directory_);
  const auto later = before + std::chrono::seconds(10);
  write("launcher.log", "line\n");
  std::filesystem::last_write_time(directory_ / "launcher.log", later);
  EXPECT_EQ(newest_sign_of_life(directory_), before);
  std::filesystem::last_write_time(directory_ / "log.txt", later);
  EXPECT_EQ(newest_sign_of_life(directory_), later);
}

TEST_F(ARunDirectory, NumbersAttemptsOnOverAllLaunchers) {
  AttemptRecord record{.attempt = next_attempt(directory_), .exit_code = 137, .reason = "killed"};
  append_attempt(directory_, record);
  record.attempt = next_attempt(directory_);
  EXPECT_EQ(record.attempt, 2);
  append_attempt(directory_, record);
  write("attempts.jsonl", "{\"attempt\":3");  // torn
  EXPECT_EQ(next_attempt(directory_), 3);
}

}  // namespace
}  // namespace sdlora::launcher
