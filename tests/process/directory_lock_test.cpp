#include "process/directory_lock.h"

#include <array>
#include <csignal>

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/error.h"

namespace sdlora::process {
namespace {

constexpr std::chrono::milliseconds kNoPatience{0};

class ADirectoryLock : public ::testing::Test {
 protected:
  void SetUp() override { std::filesystem::remove_all(directory_); }

  void TearDown() override { std::filesystem::remove_all(directory_); }

  const std::filesystem::path directory_ = std::filesystem::path(::testing::TempDir()) /
                                           ("directory-lock-" + std::to_string(::getpid()) + "-" +
                                            ::testing::UnitTest::GetInstance()->current_test_info()->name());
  const std::filesystem::path file_ = directory_ / "run" / "launcher.lock";
};

TEST_F(ADirectoryLock, MakesTheDirectoryAndIsFreeAgainWhenItsHolderIsGone) {
  { const DirectoryLock lock(file_, "launcher", kNoPatience); }
  const DirectoryLock again(file_, "launcher", kNoPatience);
  EXPECT_TRUE(std::filesystem::exists(file_));
}

TEST_F(ADirectoryLock, RefusesASecondOwnerAndNamesTheFirst) {
  const DirectoryLock lock(file_, "launcher", kNoPatience);
  try {
    const DirectoryLock second(file_, "launcher", kNoPatience);
    FAIL() << "two owners";
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::kMismatch);
    EXPECT_THAT(error.what(),
                ::testing::HasSubstr("held by launcher, process " + std::to_string(::getpid())));
  }
}

TEST_F(ADirectoryLock, WaitsForAnOwnerThatIsAboutToLeave) {
  auto lock = std::make_unique<DirectoryLock>(file_, "trainer", kNoPatience);
  std::array<int, 2> ready{};
  ASSERT_EQ(::pipe(ready.data()), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    lock.reset();  // only the copy of the descriptor: the parent still holds the lock
    [[maybe_unused]] const ssize_t written = ::write(ready[1], "x", 1);
    try {
      const DirectoryLock second(file_, "trainer", std::chrono::milliseconds(20'000));
      ::_exit(0);
    } catch (...) {
      ::_exit(1);
    }
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  lock.reset();
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(ADirectoryLock, DiesWithAHolderThatIsKilled) {
  std::array<int, 2> ready{};
  ASSERT_EQ(::pipe(ready.data()), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const DirectoryLock lock(file_, "launcher", kNoPatience);
    [[maybe_unused]] const ssize_t written = ::write(ready[1], "x", 1);
    ::pause();
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  EXPECT_THROW(DirectoryLock(file_, "launcher", kNoPatience), Error);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_NO_THROW(DirectoryLock(file_, "launcher", kNoPatience));
}

TEST_F(ADirectoryLock, SaysWhereItCannotBeMade) {
  try {
    const DirectoryLock lock("/proc/no-such-place/launcher.lock", "launcher", kNoPatience);
    FAIL() << "made";
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::kIo);
    EXPECT_THAT(error.what(), ::testing::HasSubstr("/proc/no-such-place"));
  }
}

}  // namespace
}  // namespace sdlora::process
