#include "monitoring/records/metrics_history.h"

#include <algorithm>

#include <gmock/gmock.h>

#include "tests/support/temporary_folder.h"

namespace sdlora::monitoring {
namespace {

Curve curve_of(int64_t count) {
  Curve curve;
  for (int64_t step = 1; step <= count; ++step) curve.push_back({step, 1.0 / static_cast<double>(step)});
  return curve;
}

TEST(MetricsHistory, HoldsEveryCurveOfTheLog) {
  const TemporaryFolder folder;
  write_bytes(
      folder / "metrics.jsonl",
      "{\"step\":0,\"validation_loss\":0.5,\"validation_loss_q1\":0.9,\"validation_seconds\":2}\n"
      "{\"step\":1,\"loss\":0.4,\"grad_norm\":0.1,\"learning_rate\":1e-5,\"skipped\":false,"
      "\"samples_per_second\":4.0,\"step_seconds\":2.0}\n"
      "{\"step\":2,\"loss\":null,\"grad_norm\":null,\"learning_rate\":1e-5,\"skipped\":true,"
      "\"validation_loss\":0.25,\"validation_loss_q1\":0.3,\"validation_seconds\":2,\"step_seconds\":2.0}\n"
      "torn");
  const MetricsHistory history = read_metrics_history(folder / "metrics.jsonl");
  EXPECT_EQ(history.step_count, 2);
  ASSERT_EQ(history.loss.size(), 1u) << "a loss that is not finite is no point";
  EXPECT_EQ(history.loss[0].value, 0.4);
  EXPECT_THAT(history.skipped_steps, testing::ElementsAre(2));
  ASSERT_EQ(history.validation_loss.size(), 2u);
  EXPECT_EQ(history.validation_loss[0].step, 0);
  EXPECT_EQ(history.validation_quarters[0][1].value, 0.3);
  EXPECT_THAT(history.validation_quarters[1], testing::IsEmpty());
  EXPECT_EQ(history.training_seconds, 4);
  EXPECT_EQ(history.validation_seconds, 4);
}

TEST(MetricsHistory, WithoutALogIsEmpty) {
  EXPECT_EQ(read_metrics_history("/no/such/metrics.jsonl").step_count, 0);
}

TEST(Smoothing, FollowsATenthOfTheRunWithinLimits) {
  const TemporaryFolder folder;
  for (const auto& [steps, expected] : std::vector<std::pair<int, int64_t>>{{10, 5}, {200, 20}, {1000, 50}}) {
    std::string log;
    for (int step = 1; step <= steps; ++step) log += "{\"step\":" + std::to_string(step) + ",\"loss\":1}\n";
    write_bytes(folder / "metrics.jsonl", log);
    EXPECT_EQ(read_metrics_history(folder / "metrics.jsonl").smoothing_steps, expected);
  }
}

TEST(Smoothing, LeavesAConstantAndStartsAtTheFirstValue) {
  const Curve constant(100, CurvePoint{1, 0.5});
  for (const CurvePoint& point : smooth(constant, 0.98)) EXPECT_NEAR(point.value, 0.5, 1e-12);
  EXPECT_NEAR(smooth(curve_of(100), 0.98).front().value, 1, 1e-12);
}

TEST(Thinning, LeavesAShortCurveAlone) {
  EXPECT_EQ(thin(curve_of(2000), 2000).size(), 2000u);
}

TEST(Thinning, KeepsTheEndsEveryPeakAndTheOrder) {
  for (const int64_t count : {2001, 5000, 123457}) {
    Curve curve = curve_of(count);
    curve[static_cast<size_t>(count / 3)].value = 77;
    curve[static_cast<size_t>(count / 2)].value = -77;
    const Curve thinned = thin(curve, 2000);
    EXPECT_LE(thinned.size(), 2000u);
    EXPECT_GE(thinned.size(), 1000u);
    EXPECT_EQ(thinned.front().step, 1);
    EXPECT_EQ(thinned.back().step, count);
    EXPECT_TRUE(std::is_sorted(thinned.begin(), thinned.end(),
                               [](const auto& one, const auto& other) { return one.step < other.step; }));
    const auto has = [&](double value) {
      return std::any_of(thinned.begin(), thinned.end(),
                         [&](const auto& point) { return point.value == value; });
    };
    EXPECT_TRUE(has(77) && has(-77));
  }
}

}  // namespace
}  // namespace sdlora::monitoring
