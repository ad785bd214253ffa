#include "trainer/step/learning_rate.h"

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
