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
  config.schedule.warmup_steps_or_share = warmup;
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
  EXPECT_THAT(doubts_about(config), ElementsAre(HasSubstr("a weight decay of 1e+10")));
}

TEST(Doubts, AreRaisedByWhatTheOptimizerDoesNotTake) {
  TrainConfig config = asking_for(1e-4, 5, 30);
  config.optimizer.kind = OptimizerKind::kLion;
  config.optimizer.weight_decay = 0.1;
  EXPECT_THAT(doubts_about(config),
              ElementsAre(HasSubstr("--weight-decay and --adam-... are of --optimizer adamw")));
  config = asking_for(1e-4, 50, 30);
  config.optimizer.kind = OptimizerKind::kAdafactor;
  config.schedule.kind = ScheduleKind::kLinear;
  EXPECT_THAT(doubts_about(config), ElementsAre(HasSubstr("--learning-rate does nothing"),
                                                HasSubstr("--lr-schedule linear does nothing")));
  config.optimizer.arguments = {"relative_step=false"};
  EXPECT_THAT(doubts_about(config), ElementsAre(HasSubstr("--warmup-steps 50 is more than --max-steps 30")));
  config = asking_for(0.01, 5, 30);
  config.optimizer.kind = OptimizerKind::kProdigy;
  EXPECT_THAT(doubts_about(config), ElementsAre(HasSubstr("--learning-rate 0.01: 1 is usual")));
}

TEST(Doubts, AreRaisedByWhatTheScheduleDoesNotTake) {
  TrainConfig config = asking_for(1e-4, 5, 30);
  config.schedule.cycles = 2;
  config.schedule.power = 2;
  config.schedule.decay_steps_or_share = 0.5;
  EXPECT_THAT(doubts_about(config),
              ElementsAre(HasSubstr("--lr-cycles"), HasSubstr("--lr-power"), HasSubstr("--lr-decay-steps")));
  config = asking_for(1e-4, 20, 30);
  config.schedule.kind = ScheduleKind::kWarmupStableDecay;
  config.schedule.decay_steps_or_share = 0.5;
  EXPECT_THAT(doubts_about(config), ElementsAre(HasSubstr("never at its peak")));
  config.schedule.max_epochs = 3;  // whatever that comes to
  EXPECT_THAT(doubts_about(config), IsEmpty());
  config = asking_for(1e-4, 5, 30);
  config.schedule.kind = ScheduleKind::kCosineWithMinLr;
  config.schedule.cycles = 2;
  EXPECT_THAT(doubts_about(config), ElementsAre(HasSubstr("ends at its peak")));
}

TEST(Doubts, AreRaisedByWhatTheLossOrTheTimestepsDoNotTake) {
  TrainConfig config = asking_for(1e-4, 5, 30);
  config.loss.huber_c = 0.3;
  config.noise.multires_discount = 0.5;
  config.timesteps.bias = 1;
  EXPECT_THAT(doubts_about(config),
              ElementsAre(HasSubstr("--huber-c"), HasSubstr("--multires-noise-discount"),
                          HasSubstr("--timestep-bias")));
  config = asking_for(1e-4, 5, 30);
  config.loss.min_snr_gamma = 5;
  config.loss.is_debiased = true;
  config.timesteps.sampling = TimestepSampling::kSigmoid;
  EXPECT_THAT(doubts_about(config), ElementsAre(HasSubstr("--min-snr-gamma and --debiased-estimation"),
                                                HasSubstr("sigmoid is uniform")));
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
