#include "trainer/watching/run_monitor.h"

#include <algorithm>

#include <gmock/gmock.h>

#include "tests/monitoring/metrics/scrape.h"
#include "tests/trainer/played_world.h"
#include "tests/trainer/tiny_run.h"

namespace sdlora::trainer {
namespace {

using monitoring::HasLine;
using testing::AllOf;
using testing::HasSubstr;

class MonitorOfARun : public testing::Test {
 protected:
  RunMonitor monitor(comm::Communicator& world, int64_t first_step = 0) {
    return {run_.config, loaded_, world, run_.watchdog, first_step};
  }

  std::string file(const std::string& name) const { return bytes_of(run_.config.places.output / name); }

  const TinyRun run_{{"--max-grad-norm", "1", "--validation-split", "0.4"}};  // trains on 3 of 5
  const LoadedRun loaded_ = run_.load();
  PlayedWorld first_rank_{0, 2}, second_rank_{1, 2};
  const StepResult result_{.loss = 0.5, .gradient_norm = 4, .learning_rate = 0.125, .loss_scale = 1};
};

TEST_F(MonitorOfARun, WritesALineAStep) {
  monitor(*run_.world).record(1, result_, /*step_seconds=*/0.5);
  EXPECT_EQ(file("metrics.jsonl"),
            R"({"step":1,"loss":0.5,"grad_norm":4.0,"learning_rate":0.125,"skipped":false,"nonfinite":false,)"
            R"("samples_per_second":8.0,"step_seconds":0.5})"
            "\n");
}

TEST_F(MonitorOfARun, ShowsTheEpochOfWhatIsTrainedOnAndTheNormBeforeAndAfterClipping) {
  RunMonitor monitor = this->monitor(*run_.world);
  monitor.record(6, result_, /*step_seconds=*/0.5);
  const std::string answer = scrape(monitor.metrics().registry());
  EXPECT_THAT(answer, HasLine("sdlora_epoch 8"));
  EXPECT_THAT(answer, HasLine("sdlora_gradient_norm 4"));
  EXPECT_THAT(answer, testing::ContainsRegex("\nsdlora_clipped_gradient_norm (0.999999|1)"));
  EXPECT_THAT(answer, HasLine("sdlora_clipped_steps_total 1"));
}

TEST_F(MonitorOfARun, KeepsTheStepsUpToTheOneItGoesOnFrom) {
  for (RunMonitor monitor = this->monitor(*run_.world); const int64_t step : {1, 2, 3})
    monitor.record(step, result_, 0.5);
  monitor(*run_.world, /*first_step=*/2).record(3, result_, /*step_seconds=*/1);
  const std::string lines = file("metrics.jsonl");
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 3);
  EXPECT_THAT(lines, testing::MatchesRegex(".*\"step\":1,.*\n.*\"step\":2,.*\n.*\"step\":3,"
                                           ".*\"step_seconds\":1.0}\n"));
}

TEST_F(MonitorOfARun, KnowsWhichValidationItHas) {
  RunMonitor monitor = this->monitor(*run_.world);
  monitor.record(1, result_, 0.5);
  EXPECT_FALSE(monitor.has_validation_of(1, *run_.world));
  monitor.record_validation({.step = 1, .loss = 0.25});
  EXPECT_TRUE(monitor.has_validation_of(1, *run_.world));
  EXPECT_FALSE(monitor.has_validation_of(2, *run_.world));
  EXPECT_THAT(file("metrics.jsonl"), AllOf(HasSubstr("\"loss\":0.5"), HasSubstr("\"validation_loss\":0.25")));
}

TEST_F(MonitorOfARun, OfAnotherRankWritesNothingAndKnowsWhatRank0Knows) {
  RunMonitor monitor = this->monitor(second_rank_);
  monitor.record(1, result_, 0.5);
  monitor.record_validation({.step = 1, .loss = 0.25});
  EXPECT_FALSE(std::filesystem::exists(run_.config.places.output / "metrics.jsonl"));
  second_rank_.broadcast_of_root = "";
  EXPECT_FALSE(monitor.has_validation_of(1, second_rank_));
  second_rank_.broadcast_of_root = "yes";
  EXPECT_TRUE(monitor.has_validation_of(1, second_rank_));
}

TEST_F(MonitorOfARun, TellsPrometheusWhereAllRanksAreUntilRank0Leaves) {
  first_rank_.say_all = [](const std::string& own) {
    return std::vector<std::string>{own, own.find(':') == std::string::npos ? own : "n02:9400"};
  };
  RunMonitor monitor = this->monitor(first_rank_);
  EXPECT_THAT(file("metrics_targets.json"), AllOf(HasSubstr("127.0.0.1:"), HasSubstr("n02:9400")));
  monitor.leave(second_rank_);
  EXPECT_THAT(file("metrics_targets.json"), HasSubstr("n02:9400"));
  monitor.leave(first_rank_);
  EXPECT_EQ(file("metrics_targets.json"), "[]\n");
}

}  // namespace
}  // namespace sdlora::trainer
