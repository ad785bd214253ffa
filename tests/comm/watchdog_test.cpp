#include "comm/watchdog.h"

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>
#include <sys/wait.h>
#include <unistd.h>

#include "common/error.h"

namespace sdlora::comm {
namespace {

namespace fs = std::filesystem;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;

constexpr Patience kOneSecond{.start_up = 1s, .step = 1s};

class AWatchdog : public testing::Test {
 protected:
  AWatchdog() {
    testing::FLAGS_gtest_death_test_style = "threadsafe";
    std::string name = testing::TempDir() + "sdlora-watchdog-XXXXXX";
    if (std::getenv(kDirectory) == nullptr) ::setenv(kDirectory, mkdtemp(name.data()), 1);
    directory_ = std::getenv(kDirectory);
  }

  ~AWatchdog() override {
    fs::remove_all(directory_);
    ::unsetenv(kDirectory);
  }

  // A death test begins anew in a process of its own, which must find the same folder.
  static constexpr const char* kDirectory = "SDLORA_WATCHDOG_TEST_DIRECTORY";

  fs::path directory_;
  CollectiveLog log_;
};

using AWatchdogDeathTest = AWatchdog;

TEST_F(AWatchdogDeathTest, EndsAProcessThatMakesNoProgressAndSaysWhere) {
  EXPECT_EXIT(
      {
        Watchdog watchdog("rank 1 of 2", log_, kOneSecond, {});
        watchdog.at_step(12);
        watchdog.progress(Section::kReduction, "gradients");
        const CollectiveLog::Visit visit(log_, "all_reduce_sum", 51);
        std::this_thread::sleep_for(10s);
      },
      testing::ExitedWithCode(70),
      "no progress.*reduction.*step 12, gradients.*in collective 1 .all_reduce_sum, 51 bytes.*rank 1 of 2");
}

TEST_F(AWatchdogDeathTest, CoversTheTimeBeforeTheFirstSign) {
  EXPECT_EXIT(
      {
        Watchdog watchdog("rank 0 of 2", log_, {.start_up = 1s, .step = 300s}, {});
        std::this_thread::sleep_for(10s);
      },
      testing::ExitedWithCode(70), "start-up");
}

TEST_F(AWatchdogDeathTest, EndsTheProcessEvenWhenItsLastActHangs) {
  EXPECT_EXIT(
      {
        Watchdog watchdog("rank 0 of 1", log_, kOneSecond, {});
        watchdog.on_expiry([] { std::this_thread::sleep_for(100s); });
        std::this_thread::sleep_for(20s);
      },
      testing::ExitedWithCode(70), "no progress");
}

TEST_F(AWatchdogDeathTest, DoesNotLetTheMainThreadDestroyWhatItsLastActUses) {
  EXPECT_EXIT(
      {
        Watchdog watchdog("rank 0 of 1", log_, kOneSecond, {});
        watchdog.on_expiry([] {
          std::this_thread::sleep_for(1s);
          std::fputs("the last act is whole\n", stderr);
        });
        std::this_thread::sleep_for(1500ms);
        watchdog.on_expiry({});
        std::fputs("too early\n", stderr);
        std::this_thread::sleep_for(10s);
      },
      testing::ExitedWithCode(70), "the last act is whole");
}

TEST_F(AWatchdogDeathTest, LeavesAFlightRecord) {
  const fs::path file = directory_ / flight_record_name(1);
  RankProgress mine, other;
  EXPECT_EXIT(
      {
        CollectiveLog log(/*own_rank=*/1, {{0, &other}, {1, &mine}});
        Watchdog watchdog("rank 1 of 2 on \"node\"", log, kOneSecond, file);
        watchdog.at_step(7);
        watchdog.progress(Section::kReduction, "gradients");
        for (int i = 0; i < 100; ++i) const CollectiveLog::Visit visit(log, "barrier", 0);
        const CollectiveLog::Visit visit(log, "all_reduce_sum", 51);
        std::this_thread::sleep_for(10s);
      },
      testing::ExitedWithCode(70), "behind: rank 0 .collective 0,.*flight-rank-1.json");
  std::ifstream stream(file);
  const auto record = nlohmann::json::parse(stream);
  EXPECT_EQ(record.at("rank"), 1);
  EXPECT_EQ(record.at("section"), "reduction");
  EXPECT_EQ(record.at("step"), 7);
  EXPECT_EQ(record.at("doing"), "gradients");
  EXPECT_EQ(record.at("behind"), std::vector<int>{0});
  EXPECT_GE(record.at("seconds_without_progress"), 1.0);
  ASSERT_EQ(record.at("collectives").size(), static_cast<size_t>(CollectiveLog::kCapacity));
  const auto& last = record.at("collectives").back();
  EXPECT_EQ(last.at("sequence"), 101);
  EXPECT_EQ(last.at("operation"), "all_reduce_sum");
  EXPECT_TRUE(last.at("left_seconds_ago").is_null());
}

TEST_F(AWatchdog, LeavesAProcessAloneThatGoesOn) {
  Watchdog watchdog("rank 0 of 1", log_, kOneSecond, {});
  for (int i = 0; i < 15; ++i) {
    std::this_thread::sleep_for(100ms);
    watchdog.progress(Section::kStep, "sample 0");
  }
}

// By a process that is forked off: a stopped one cannot continue itself.
void be_stopped_for(std::chrono::seconds time) {
  const pid_t own = ::getpid();
  const pid_t other = ::fork();
  if (other == 0) {
    ::kill(own, SIGSTOP);
    ::sleep(static_cast<unsigned>(time.count()));
    ::kill(own, SIGCONT);
    ::_exit(0);
  }
  ::waitpid(other, nullptr, 0);
}

TEST_F(AWatchdog, IsAsPatientAsBeforeWithAProcessThatWasStopped) {
  Watchdog watchdog("rank 0 of 1", log_, {.start_up = 2s, .step = 2s}, {});
  for (int i = 0; i < 2; ++i) {
    be_stopped_for(4s);
    std::this_thread::sleep_for(200ms);  // for a watchdog that takes the stop for a hang to end us
    watchdog.progress(Section::kStep, "sample 0");
  }
}

TEST_F(AWatchdogDeathTest, EndsAProcessThatMakesNoProgressAfterItWasStopped) {
  EXPECT_EXIT(
      {
        Watchdog watchdog("rank 0 of 1", log_, kOneSecond, {});
        be_stopped_for(3s);
        std::this_thread::sleep_for(10s);
      },
      testing::ExitedWithCode(70), "no progress");
}

TEST_F(AWatchdog, HasPatienceBySection) {
  const Patience patience{.start_up = 600s, .step = 300s};
  EXPECT_EQ(patience.in(Section::kStartUp), 600s);
  EXPECT_EQ(patience.in(Section::kReduction), 300s);
  EXPECT_EQ(patience.in(Section::kCheckpoint), 600s);
}

TEST_F(AWatchdog, EndsAtOnceWhenItIsNotNeededAnyMore) {
  const auto start = std::chrono::steady_clock::now();
  { Watchdog watchdog("rank 0 of 1", log_, {.start_up = 300s, .step = 300s}, {}); }
  EXPECT_LT(std::chrono::steady_clock::now() - start, 1s);
}

TEST_F(AWatchdog, RecordsOfAnEarlierAttemptAreSetAside) {
  std::ofstream(directory_ / "flight-rank-0.json") << "new";
  std::ofstream(directory_ / "previous-flight-rank-1.json") << "old";
  set_aside_flight_records(directory_);
  EXPECT_FALSE(fs::exists(directory_ / "flight-rank-0.json"));
  EXPECT_TRUE(fs::exists(directory_ / "previous-flight-rank-0.json"));
  EXPECT_FALSE(fs::exists(directory_ / "previous-flight-rank-1.json")) << "it belongs to yet another attempt";
  set_aside_flight_records(directory_);
  EXPECT_TRUE(fs::exists(directory_ / "previous-flight-rank-0.json")) << "kept until there is a newer one";
}

}  // namespace
}  // namespace sdlora::comm
