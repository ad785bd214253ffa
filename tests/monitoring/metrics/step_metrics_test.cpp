#include "monitoring/metrics/step_metrics.h"

#include <limits>

#include "tests/monitoring/metrics/scrape.h"

namespace sdlora::monitoring {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

class StepMetricsTest : public testing::Test {
 protected:
  static StepRecord usual_record() {
    return {.step = 101,
            .loss = 0.25,
            .gradient_norm = 0.5,
            .clipped_gradient_norm = 0.5,
            .learning_rate = 1e-5,
            .epoch = 2.5,
            .samples_per_second = 4,
            .step_seconds = 2};
  }

  static StepRecord skipped_record() {
    StepRecord record = usual_record();
    record.skipped = true;
    record.gradient_norm = record.clipped_gradient_norm = kNaN;
    return record;
  }

  MetricsRegistry registry_;
  StepMetrics metrics_{registry_, /*first_step=*/100, /*loss_scale=*/1};
};

TEST_F(StepMetricsTest, HasEverySeriesFromTheStart) {
  const std::string answer = scrape(registry_);
  for (const char* line :
       {"sdlora_step 100", "sdlora_loss_scale 1", "sdlora_steps_total 0", "sdlora_samples_total 0",
        "sdlora_clipped_steps_total 0", "sdlora_nonfinite_steps_total 0",
        "sdlora_skipped_steps_total{reason=\"nonfinite\"} 0",
        "sdlora_skipped_steps_total{reason=\"loss_scale\"} 0", "sdlora_step_duration_seconds_count 0"})
    EXPECT_THAT(answer, HasLine(line));
  EXPECT_THAT(answer, testing::ContainsRegex("\nsdlora_loss [Nn]a[Nn]\n"));
}

TEST_F(StepMetricsTest, ShowsTheLatestStepAndCountsAll) {
  metrics_.record(usual_record(), /*samples=*/4);
  StepRecord later = usual_record();
  later.step = 102;
  later.loss = 0.125;
  later.clipped_gradient_norm = 0.25;
  metrics_.record(later, /*samples=*/4);
  const std::string answer = scrape(registry_);
  for (const char* line : {"sdlora_loss 0.125", "sdlora_step 102", "sdlora_epoch 2.5", "sdlora_steps_total 2",
                           "sdlora_samples_total 8", "sdlora_gradient_norm 0.5",
                           "sdlora_clipped_gradient_norm 0.25", "sdlora_clipped_steps_total 1",
                           "sdlora_nonfinite_steps_total 0", "sdlora_step_duration_seconds_sum 4"})
    EXPECT_THAT(answer, HasLine(line));
}

TEST_F(StepMetricsTest, CountsAStepWithoutAFiniteLossAndLeavesItOutOfTheSmoothedLoss) {
  metrics_.record(usual_record(), 4);
  StepRecord record = skipped_record();
  record.loss = kNaN;
  metrics_.record(record, 4);
  const std::string answer = scrape(registry_);
  EXPECT_THAT(answer, testing::ContainsRegex("\nsdlora_loss [Nn]a[Nn]\n"));
  for (const char* line : {"sdlora_smoothed_loss 0.25", "sdlora_nonfinite_steps_total 1",
                           "sdlora_skipped_steps_total{reason=\"nonfinite\"} 1",
                           "sdlora_skipped_steps_total{reason=\"loss_scale\"} 0"})
    EXPECT_THAT(answer, HasLine(line));
}

TEST_F(StepMetricsTest, TheSearchForALossScaleIsNoFault) {
  StepRecord record = skipped_record();
  record.is_loss_scale_search = true;
  record.loss_scale = 65536;
  metrics_.record(record, 4);
  const std::string answer = scrape(registry_);
  for (const char* line : {"sdlora_nonfinite_steps_total 0", "sdlora_loss_scale 65536",
                           "sdlora_skipped_steps_total{reason=\"nonfinite\"} 0",
                           "sdlora_skipped_steps_total{reason=\"loss_scale\"} 1"})
    EXPECT_THAT(answer, HasLine(line));
}

TEST(MovingAverage, FollowsTheLastFiftyOrSoAndIsRightFromTheFirst) {
  MovingAverage average;
  EXPECT_TRUE(std::isnan(average.value()));
  average.add(4);
  EXPECT_DOUBLE_EQ(average.value(), 4);
  average.add(kNaN);
  EXPECT_DOUBLE_EQ(average.value(), 4);
  for (int i = 0; i < 50; ++i) average.add(2);
  EXPECT_LT(average.value(), 2.03 + 2.0 / 51);
  for (int i = 0; i < 1000; ++i) average.add(2);
  EXPECT_NEAR(average.value(), 2, 1e-8);
}

}  // namespace
}  // namespace sdlora::monitoring
