#include "monitoring/terminal/recent_rate.h"

#include <gtest/gtest.h>

namespace sdlora::monitoring {
namespace {

TEST(RecentRate, IsUnknownBeforeAnythingWasDone) {
  RecentRate rate;
  EXPECT_EQ(rate.units_per_second(), 0);
  rate.add(0, 100);
  EXPECT_EQ(rate.units_per_second(), 0);
  rate.add(0, 101);  // no time has passed
  EXPECT_EQ(rate.units_per_second(), 0);
}

TEST(RecentRate, IsUnitsOverSecondsFromTheFirstMark) {
  RecentRate rate;
  rate.add(10, 100);
  rate.add(14, 102);
  EXPECT_DOUBLE_EQ(rate.units_per_second(), 0.5);
}

TEST(RecentRate, ForgetsWhatIsOlderThanAMinute) {
  RecentRate rate;
  int64_t done = 0;
  double seconds = 0;
  rate.add(seconds, done);
  for (int i = 0; i < 100; ++i) rate.add(seconds += 2, ++done);
  for (int i = 0; i < 4000; ++i) rate.add(seconds += 0.02, ++done);
  EXPECT_NEAR(rate.units_per_second(), 50, 0.5);
}

TEST(RecentRate, StepsLongerThanAMinuteStillHaveARate) {
  RecentRate rate;
  for (int i = 0; i < 5; ++i) rate.add(i * 300.0, i);
  EXPECT_NEAR(rate.units_per_second(), 1 / 300.0, 1e-9);
}

TEST(RecentRate, ManyQuickMarksCountInFull) {
  RecentRate rate;
  for (int i = 0; i <= 10'000; ++i) rate.add(i * 0.001, i);
  EXPECT_NEAR(rate.units_per_second(), 1000, 1e-6);
}

}  // namespace
}  // namespace sdlora::monitoring
