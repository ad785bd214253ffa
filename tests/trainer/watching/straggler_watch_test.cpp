#include "trainer/watching/straggler_watch.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "tests/trainer/played_world.h"

namespace sdlora::trainer {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;

class StragglersAmongFour : public testing::Test {
 protected:
  StragglersAmongFour() {
    world_.say_all = [this](const std::string& own) {
      ++comparison_count_;
      return std::vector<std::string>{own, "1.0 rank 1 of 4",
                                      fmt::format("{} rank 2 of 4", seconds_of_rank_2_), "1.0 rank 3 of 4"};
    };
  }

  // What rank 0 says while its steps take a second each and rank 2's so many.
  std::string said_after(int64_t step_count, double seconds_of_rank_2) {
    seconds_of_rank_2_ = seconds_of_rank_2;
    testing::internal::CaptureStderr();
    for (int64_t i = 0; i < step_count; ++i) watch_.add(++step_, 1.0);
    return testing::internal::GetCapturedStderr();
  }

  double seconds_of_rank_2_ = 1;
  int64_t comparison_count_ = 0;
  int64_t step_ = 0;
  PlayedWorld world_{0, 4};
  StragglerWatch watch_{world_};
};

TEST_F(StragglersAmongFour, AreNamedAfterTenStepsAndOnce) {
  EXPECT_THAT(said_after(9, 1.6), IsEmpty());
  EXPECT_THAT(said_after(1, 1.6), AllOf(HasSubstr("rank 2 of 4 is slow"), HasSubstr("1.600 s"),
                                        HasSubstr("10 steps up to 10"), HasSubstr("of all ranks 1.000 s")));
  EXPECT_THAT(said_after(10, 1.6), IsEmpty());
}

TEST_F(StragglersAmongFour, AreTakenBackWhenTheyAreAsFastAsTheOthers) {
  said_after(10, 1.6);
  EXPECT_THAT(said_after(10, 1.4), HasSubstr("no rank is slow any longer"));
  EXPECT_THAT(said_after(10, 1.4), IsEmpty());
}

TEST_F(StragglersAmongFour, AreThoseThatTakeHalfAsMuchTimeAgainAsTheMedian) {
  EXPECT_THAT(said_after(10, 1.49), IsEmpty());
  EXPECT_THAT(said_after(10, 1.5), HasSubstr("rank 2 of 4 is slow"));
}

TEST_F(StragglersAmongFour, AreSeenByTheirMeanAndNotByOneStep) {
  for (int64_t step = 1; step < 10; ++step) watch_.add(step, 0.5);
  testing::internal::CaptureStderr();
  watch_.add(10, 5.5);  // the mean is a second
  EXPECT_THAT(testing::internal::GetCapturedStderr(), IsEmpty());
  EXPECT_EQ(comparison_count_, 1);
}

TEST(StragglerWatch, SaysNothingOnAnotherRankThan0) {
  PlayedWorld world(1, 2);
  int64_t comparison_count = 0;
  world.say_all = [&](const std::string& own) {
    ++comparison_count;
    return std::vector<std::string>{"9.0 rank 0 of 2", own};
  };
  StragglerWatch watch(world);
  testing::internal::CaptureStderr();
  for (int64_t step = 1; step <= 10; ++step) watch.add(step, 1.0);
  EXPECT_THAT(testing::internal::GetCapturedStderr(), IsEmpty());
  EXPECT_EQ(comparison_count, 1) << "it takes part, or rank 0 would wait for it";
}

TEST(StragglerWatch, HasNothingToCompareAlone) {
  PlayedWorld world(0, 1);
  world.say_all = [](const std::string&) -> std::vector<std::string> {
    throw std::logic_error("nobody is there");
  };
  StragglerWatch watch(world);
  for (int64_t step = 1; step <= 10; ++step) EXPECT_NO_THROW(watch.add(step, 1.0));
}

}  // namespace
}  // namespace sdlora::trainer
