#include "launcher/supervisor/rank_command.h"

#include <gmock/gmock.h>

namespace sdlora::launcher {
namespace {

using ::testing::ElementsAre;
using ::testing::IsSupersetOf;
using ::testing::Not;
using Words = std::vector<std::string>;

TEST(RankCommand, StartsMpirunOnThisMachineAndYieldsOnlyWhenCoresAreFew) {
  RankCommand command{
      .rank_count = 4, .core_count = 4, .trainer = "/bin/trainer", .trainer_options = {"--seed", "1"}};
  EXPECT_THAT(words_of(command), ElementsAre("mpirun", "-np", "4", "--bind-to", "none", "--oversubscribe",
                                             "/bin/trainer", "--seed", "1"));
  command.core_count = 2;
  EXPECT_THAT(words_of(command), IsSupersetOf({"mpi_yield_when_idle", "/bin/trainer"}));
}

TEST(RankCommand, TellsMpirunItsHostsAndWhatToSendThere) {
  const Words words = words_of(
      {.rank_count = 2, .hosts = "hosts.txt", .trainer = "/bin/trainer", .exported = {"NCCL_DEBUG"}});
  EXPECT_THAT(words, IsSupersetOf({"--hostfile", "hosts.txt", "-x", "NCCL_DEBUG", "oob_tcp_keepalive_time"}));
  EXPECT_THAT(words, Not(::testing::Contains("--oversubscribe")));
}

TEST(RankCommand, StartsSrunWithPmixAndItsCoresPerRank) {
  EXPECT_THAT(
      words_of({.starter = Starter::kSrun, .rank_count = 8, .cpus_per_rank = 6, .trainer = "/bin/trainer"}),
      ElementsAre("srun", "--mpi=pmix", "--kill-on-bad-exit=0", "--wait=300", "--cpu-bind=none", "--ntasks=8",
                  "--cpus-per-task=6", "/bin/trainer"));
}

TEST(OptionsToGoOn, ResumeFromTheNewestCheckpointInPlaceOfWhereTheRunBegan) {
  EXPECT_THAT(options_to_go_on({"--seed", "1"}, false), ElementsAre("--seed", "1"));
  EXPECT_THAT(options_to_go_on({"--resume", "none"}, true), ElementsAre("--resume", "auto"));
  EXPECT_THAT(options_to_go_on({"--resume=none", "--seed", "1"}, true),
              ElementsAre("--resume=auto", "--seed", "1"));
  EXPECT_THAT(options_to_go_on({"--resume", "other/checkpoint-step-9"}, false),
              ElementsAre("--resume", "other/checkpoint-step-9"));
}

TEST(OptionsToGoOn, OverruleAConfigFileThatBeginsAfresh) {
  EXPECT_THAT(options_to_go_on({"--config", "run.toml"}, true),
              ElementsAre("--config", "run.toml", "--resume", "auto"));
}

}  // namespace
}  // namespace sdlora::launcher
