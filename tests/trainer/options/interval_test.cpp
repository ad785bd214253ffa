#include "trainer/options/interval.h"

#include <gmock/gmock.h>

namespace sdlora::trainer {
namespace {

using testing::ElementsAre;

Interval read(const std::string& text) {
  Interval interval;
  EXPECT_TRUE(read_value(text, interval)) << text;
  return interval;
}

std::vector<int64_t> due_steps(const std::string& text, const EpochLength& epoch) {
  const Interval interval = read(text);
  std::vector<int64_t> steps;
  for (int64_t step = 0; step <= 12; ++step)
    if (interval.is_due(step, epoch)) steps.push_back(step);
  return steps;
}

constexpr EpochLength kTwoAndAHalfSteps{.samples_per_step = 4, .samples_per_epoch = 10};

TEST(Interval, IsDueEverySoManySteps) {
  EXPECT_THAT(due_steps("5", kTwoAndAHalfSteps), ElementsAre(0, 5, 10));
  EXPECT_THAT(due_steps("0", kTwoAndAHalfSteps), ElementsAre());
}

TEST(Interval, IsDueAtTheStepsThatCompleteEpochs) {
  EXPECT_THAT(due_steps("1epoch", kTwoAndAHalfSteps), ElementsAre(0, 3, 5, 8, 10));
  EXPECT_THAT(due_steps("2epochs", kTwoAndAHalfSteps), ElementsAre(0, 5, 10));
  EXPECT_THAT(due_steps("0epochs", kTwoAndAHalfSteps), ElementsAre());
}

TEST(Interval, IsDueAtEveryStepWhereAStepHasSeveralEpochs) {
  const EpochLength short_epoch{.samples_per_step = 8, .samples_per_epoch = 5};
  EXPECT_EQ(due_steps("1epoch", short_epoch).size(), 13U);
}

TEST(Interval, HasOneText) {
  for (const char* text : {"0", "100", "1epoch", "3epochs"}) EXPECT_EQ(text_of(read(text)), text);
  EXPECT_EQ(text_of(read("1epochs")), "1epoch");
}

TEST(Interval, IsNothingElse) {
  for (const char* text :
       {"", "-1", "epoch", "1 epoch", "1epo", "1.5epochs", "1e3", "99999999999999999", "-1epoch"}) {
    Interval interval{.count = 7};
    EXPECT_FALSE(read_value(text, interval)) << text;
    EXPECT_EQ(interval.count, 7);
  }
}

TEST(EpochLength, SaysHowManyStepsCompleteSoMany) {
  EXPECT_EQ(kTwoAndAHalfSteps.steps_for(1), 3);
  EXPECT_EQ(kTwoAndAHalfSteps.steps_for(2), 5);
  EXPECT_EQ(kTwoAndAHalfSteps.epochs_in(4), 1);
  EXPECT_EQ(kTwoAndAHalfSteps.epochs_in(5), 2);
}

}  // namespace
}  // namespace sdlora::trainer
