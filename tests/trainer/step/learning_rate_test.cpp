#include "trainer/step/learning_rate.h"

#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace sdlora::trainer {
namespace {

LearningRateSchedule schedule(ScheduleKind kind) {
  return {.peak = 2.0, .kind = kind, .warmup_steps = 10, .max_steps = 110};
}

TEST(LearningRate, RisesLinearlyFromZeroInTheWarmUp) {
  EXPECT_DOUBLE_EQ(schedule(ScheduleKind::kCosine).at(0), 0.0);
  EXPECT_DOUBLE_EQ(schedule(ScheduleKind::kCosine).at(5), 1.0);
  EXPECT_DOUBLE_EQ(schedule(ScheduleKind::kCosine).at(10), 2.0);
}

TEST(LearningRate, FollowsHalfACosineToZero) {
  EXPECT_NEAR(schedule(ScheduleKind::kCosine).at(35), 2.0 * 0.5 * (1 + 0.70710678118654752), 1e-12);
  EXPECT_NEAR(schedule(ScheduleKind::kCosine).at(60), 1.0, 1e-12);
  EXPECT_NEAR(schedule(ScheduleKind::kCosine).at(110), 0.0, 1e-12);
}

TEST(LearningRate, FallsLinearlyToZero) {
  EXPECT_DOUBLE_EQ(schedule(ScheduleKind::kLinear).at(60), 1.0);
  EXPECT_DOUBLE_EQ(schedule(ScheduleKind::kLinear).at(110), 0.0);
}

TEST(LearningRate, StaysAtThePeakWhenConstant) {
  EXPECT_DOUBLE_EQ(schedule(ScheduleKind::kConstant).at(99), 2.0);
}

// transformers 5.23 (optimization.py) through sd-scripts' get_scheduler_fix: 1,000 steps, 100 of warm-up.
TEST(LearningRate, IsThatOfTransformersSchedules) {
  const auto of = [](ScheduleKind kind, int64_t cycles, double power, double min_ratio, int64_t decay_steps) {
    return LearningRateSchedule{.peak = 1e-4,
                                .kind = kind,
                                .warmup_steps = 100,
                                .max_steps = 1000,
                                .cycles = cycles,
                                .power = power,
                                .min_ratio = min_ratio,
                                .decay_steps = decay_steps};
  };
  const std::vector<std::pair<LearningRateSchedule, std::vector<double>>> rows{
      {of(ScheduleKind::kLinear, 1, 1, 0, 0), {0, .5, .75, .5, .25, 0}},
      {of(ScheduleKind::kCosine, 1, 1, 0, 0), {0, .5, .853553, .5, .146447, 0}},
      {of(ScheduleKind::kCosineWithRestarts, 3, 1, 0, 0), {0, .5, .146447, .5, .853553, 0}},
      {of(ScheduleKind::kPolynomial, 1, 2, 0, 0), {0, .5, .562937, .250750, .063437, .001}},
      {of(ScheduleKind::kCosineWithMinLr, 1, 1, .1, 0), {0, .5, .868198, .55, .231802, .1}},
      {of(ScheduleKind::kWarmupStableDecay, 1, 1, .1, 200), {.1, .55, 1, 1, 1, .1}},
  };
  const std::vector<int64_t> steps{0, 50, 325, 550, 775, 1000};
  for (const auto& [schedule, expected] : rows)
    for (size_t i = 0; i < steps.size(); ++i)
      EXPECT_NEAR(schedule.at(steps[i]) / schedule.peak, expected[i], 1e-6)
          << word_of(schedule.kind, schedule_words()) << " at " << steps[i];
}

TEST(LearningRate, FallsInTheLastStepsOfWarmupStableDecay) {
  const LearningRateSchedule schedule{.peak = 1,
                                      .kind = ScheduleKind::kWarmupStableDecay,
                                      .warmup_steps = 0,
                                      .max_steps = 1000,
                                      .decay_steps = 200};
  EXPECT_DOUBLE_EQ(schedule.at(799), 1);
  EXPECT_NEAR(schedule.at(850), 0.853553, 1e-6);
  EXPECT_NEAR(schedule.at(900), 0.5, 1e-12);
  EXPECT_EQ(schedule.at(1000), 0);
}

// OneTrainer's lr_lambda_rex, after the warm-up.
TEST(LearningRate, IsOneTrainersRex) {
  const LearningRateSchedule schedule{
      .peak = 1, .kind = ScheduleKind::kRex, .warmup_steps = 50, .max_steps = 1050};
  const std::vector<std::pair<int64_t, double>> expected{
      {0, 1}, {100, .989011}, {250, .967742}, {500, .909091}, {750, .769231}, {900, .526316}, {990, .091743}};
  for (const auto& [step, rate] : expected) EXPECT_NEAR(schedule.at(50 + step), rate, 1e-6) << step;
  EXPECT_EQ(schedule.at(1050), 0);
}

TEST(LearningRate, FallsToItsShareOfThePeak) {
  LearningRateSchedule schedule{
      .peak = 2, .kind = ScheduleKind::kLinear, .warmup_steps = 0, .max_steps = 100, .min_ratio = 0.25};
  EXPECT_DOUBLE_EQ(schedule.at(0), 2);
  EXPECT_DOUBLE_EQ(schedule.at(50), 2 * (0.25 + 0.75 * 0.5));
  EXPECT_DOUBLE_EQ(schedule.at(100), 0.5);
  schedule.kind = ScheduleKind::kConstant;
  EXPECT_DOUBLE_EQ(schedule.at(100), 2);
}

TEST(StepsOrAShare, AreWhole) {
  EXPECT_EQ(steps_of(50, 1000), 50);
  EXPECT_EQ(steps_of(0.05, 1000), 50);
  EXPECT_EQ(steps_of(0.999, 10), 9);
  EXPECT_EQ(steps_of(0, 10), 0);
  EXPECT_EQ(steps_of(1, 10), 1);
}

TEST(LearningRate, IsNeverNegativeOrUndefined) {
  const LearningRateSchedule only_warmup{
      .peak = 1.0, .kind = ScheduleKind::kLinear, .warmup_steps = 50, .max_steps = 50};
  EXPECT_DOUBLE_EQ(only_warmup.at(49), 0.98);
  EXPECT_GE(only_warmup.at(60), 0.0);
  const LearningRateSchedule no_warmup{
      .peak = 1.0, .kind = ScheduleKind::kCosine, .warmup_steps = 0, .max_steps = 5};
  EXPECT_DOUBLE_EQ(no_warmup.at(0), 1.0);
}

}  // namespace
}  // namespace sdlora::trainer
