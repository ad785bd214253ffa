#include "trainer/options/doubts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sdlora::trainer {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TrainConfig asking_for(double rate, double warmup, int64_t steps) {
  TrainConfig config;
  config.optimizer.learning_rate = rate;
  config.schedule.warmup_steps = warmup;
  config.schedule.max_steps = steps;
  return config;
}

TEST(Doubts, AreNoneAboutTheDefaults) {
  EXPECT_THAT(doubts_about({}), IsEmpty());
  EXPECT_THAT(doubts_about(asking_for(1e-4, 30, 30)), IsEmpty());
}

TEST(Doubts, AreRaisedByARunThatLearnsLittle) {
  EXPECT_THAT(doubts_about(asking_for(0, 5, 30)), ElementsAre(HasSubstr("trains nothing")));
  EXPECT_THAT(doubts_about(asking_for(1e-4, 50, 30)),
              ElementsAre(HasSubstr("--warmup-steps 50 is more than --max-steps 30: the learning rate ends "
                                    "at 60 % of its peak")));
}

TEST(Doubts, AreRaisedByADecayThatLeavesNothing) {
  TrainConfig config = asking_for(1e-4, 5, 30);
  config.optimizer.weight_decay = 1e10;
  EXPECT_THAT(doubts_about(config), ElementsAre(HasSubstr("--weight-decay 1e+10")));
}

TEST(Doubts, AreRaisedByCaptionSettingsThatDoNothingOrLeaveNothing) {
  TrainConfig config;
  config.captions.rules.dropout = 1;
  EXPECT_THAT(doubts_about(config), ElementsAre(HasSubstr("all captions are dropped")));
  config.captions.rules.dropout = 0.5;
  config.captions.shown_count = 3;
  EXPECT_THAT(doubts_about(config), ElementsAre(HasSubstr("--show-captions")));
  config.process.is_dry_run = true;
  EXPECT_THAT(doubts_about(config), IsEmpty());
}

}  // namespace
}  // namespace sdlora::trainer
