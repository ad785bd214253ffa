#include "trainer/options/train_config.h"

#include <fstream>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/error.h"

namespace sdlora::trainer {
namespace {

using testing::HasSubstr;

TrainConfig config_of(std::vector<const char*> words) {
  TrainConfig config;
  words.insert(words.begin(), {"trainer", "--model", "m", "--data", "d", "--output", "o"});
  EXPECT_EQ(parse_train_config(static_cast<int>(words.size()), words.data(), config), ParseResult::kRun);
  return config;
}

std::string usage_error_of(const std::vector<const char*>& words) {
  try {
    config_of(words);
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::kUsage);
    return error.what();
  }
  return "nothing was refused";
}

std::vector<Setting> all_settings() {
  return config_of({}).settings.all();
}

std::vector<std::string> names_of(Scope scope) {
  std::vector<std::string> names;
  for (const Setting& setting : all_settings())
    if (setting.scope == scope) names.push_back(setting.name);
  return names;
}

using Names = std::vector<std::string>;

// To change an option's scope is a decision about what checkpoints and ranks are compared by, so it is made
// here, too.
TEST(TrainConfig, ResultOptionsDecideTheBytes) {
  EXPECT_EQ(names_of(Scope::kResult), (Names{"batch-size",
                                             "micro-batch-size",
                                             "seed",
                                             "caption-prefix",
                                             "caption-suffix",
                                             "caption-dropout",
                                             "caption-dropout-every-epochs",
                                             "caption-wildcards",
                                             "caption-separator",
                                             "caption-shuffle",
                                             "caption-keep-tokens",
                                             "caption-keep-tokens-separator",
                                             "caption-secondary-separator",
                                             "caption-tag-dropout",
                                             "token-warmup-steps",
                                             "token-warmup-min",
                                             "loss",
                                             "huber-c",
                                             "huber-schedule",
                                             "min-snr-gamma",
                                             "debiased-estimation",
                                             "scale-v-pred-loss",
                                             "v-pred-like-loss",
                                             "prior-loss-weight",
                                             "masked-loss",
                                             "unmasked-weight",
                                             "prediction-type",
                                             "zero-terminal-snr",
                                             "noise-offset",
                                             "multires-noise-iterations",
                                             "multires-noise-discount",
                                             "ip-noise-gamma",
                                             "min-timestep",
                                             "max-timestep",
                                             "timestep-sampling",
                                             "timestep-bias",
                                             "timestep-weight",
                                             "lora-kind",
                                             "lora-rank",
                                             "lora-alpha",
                                             "lora-targets",
                                             "lora-conv-rank",
                                             "lora-conv-alpha",
                                             "lora-rank-pattern",
                                             "train-text-encoder",
                                             "rs-lora",
                                             "lora-dropout",
                                             "lora-rank-dropout",
                                             "lora-module-dropout",
                                             "max-weight-norm",
                                             "optimizer",
                                             "optimizer-args",
                                             "learning-rate",
                                             "text-encoder-learning-rate",
                                             "max-grad-norm",
                                             "lora-plus-ratio",
                                             "ema-decay",
                                             "weight-decay",
                                             "adam-beta1",
                                             "adam-beta2",
                                             "adam-eps",
                                             "lr-schedule",
                                             "lr-cycles",
                                             "lr-power",
                                             "lr-min-ratio",
                                             "lr-decay-steps",
                                             "warmup-steps",
                                             "max-steps",
                                             "max-epochs",
                                             "mixed-precision",
                                             "reduction",
                                             "validation-split"}));
}

TEST(TrainConfig, RunOptionsAreAlikeOnAllRanks) {
  EXPECT_EQ(names_of(Scope::kRun), (Names{"show-captions",
                                          "comm",
                                          "deterministic",
                                          "cuda-graph",
                                          "gradient-checkpointing",
                                          "allow-gpu-sharing",
                                          "cpu-kernels",
                                          "checkpoint-every",
                                          "keep-checkpoints",
                                          "output-name",
                                          "save-dtype",
                                          "no-metadata",
                                          "validation-every",
                                          "preview-every",
                                          "preview-steps",
                                          "preview-guidance-scale",
                                          "preview-seed",
                                          "preview-average",
                                          "preview-size",
                                          "log-format",
                                          "tensorboard",
                                          "max-nonfinite-steps",
                                          "replay",
                                          "dry-run"}));
}

TEST(TrainConfig, RankOptionsAreARanksOwn) {
  EXPECT_EQ(names_of(Scope::kRank),
            (Names{"model", "vae", "data", "output", "img-size", "init-adapter", "device", "cpu-threads",
                   "resume", "validation-data", "preview-prompts", "metrics-port", "metrics-address",
                   "metrics-advertise", "trace-dir", "step-timeout", "startup-timeout", "term-saves"}));
}

TEST(TrainConfig, EveryOptionHasAGroupAHelpAndANameOfItsOwn) {
  std::set<std::string> names, groups;
  std::string group;
  for (const Setting& setting : all_settings()) {
    EXPECT_FALSE(setting.help.empty()) << setting.name;
    EXPECT_FALSE(setting.group.empty()) << setting.name;
    EXPECT_TRUE(names.insert(setting.name).second) << setting.name;
    EXPECT_TRUE(setting.group == group || groups.insert(setting.group).second)
        << setting.group << " is in two places";
    group = setting.group;
  }
}

TEST(TrainConfig, RanksCompareResultAndRunOptionsButNotWhatIsStillToBeDecided) {
  const std::map<std::string, std::string> shared = settings_of_all_ranks(config_of({}));
  EXPECT_EQ(shared.size(), names_of(Scope::kResult).size() + names_of(Scope::kRun).size() - 2);
  EXPECT_FALSE(shared.contains("micro-batch-size"));
  EXPECT_FALSE(shared.contains("max-timestep"));
  EXPECT_FALSE(shared.contains("device"));
  EXPECT_EQ(shared.at("learning-rate"), "1e-5");
  EXPECT_TRUE(defining_settings(config_of({})).contains("micro-batch-size"));
}

TEST(TrainConfig, ItsTomlReadsBackToTheSameSettings) {
  const TrainConfig first =
      config_of({"--lora-targets", R"(\.attn2\.|"a")", "--output", "nan", "--data", "123", "--learning-rate",
                 "2e-7", "--tensorboard", "--micro-batch-size", "2", "--lr-schedule", "linear", "--trace-dir",
                 "größe\nund mehr"});
  const std::string file = testing::TempDir() + "train_config_test.toml";
  std::ofstream(file) << to_toml(first);
  TrainConfig second;
  const std::vector<const char*> words{"trainer", "--config", file.c_str()};
  ASSERT_EQ(parse_train_config(3, words.data(), second), ParseResult::kRun);
  for (size_t i = 0; i < first.settings.all().size(); ++i)
    EXPECT_EQ(second.settings.all()[i].text, first.settings.all()[i].text) << first.settings.all()[i].name;
  EXPECT_EQ(second.lora.targets, R"(\.attn2\.|"a")");
  EXPECT_EQ(second.schedule.kind, ScheduleKind::kLinear);
  EXPECT_EQ(second.places.output, "nan");
}

TEST(TrainConfig, WhatIsResolvedIsInTheToml) {
  TrainConfig config = config_of({});
  EXPECT_THAT(to_toml(config), HasSubstr("\ncpu-threads = \"auto\"\n"));
  config.settings.resolve("cpu-threads", "3");
  EXPECT_THAT(to_toml(config), HasSubstr("\ncpu-threads = 3\n"));
}

TEST(TrainConfig, RefusesNumbersThatAreNotFiniteForEveryOption) {
  for (const Setting& setting : all_settings()) {
    if (setting.kind != ValueKind::kNumber && setting.kind != ValueKind::kInteger) continue;
    for (const char* word : {"nan", "inf", "-inf"}) {
      const std::string flag = "--" + setting.name;
      EXPECT_THAT(usage_error_of({flag.c_str(), word}), HasSubstr(flag + " does not take this value"));
    }
  }
}

TEST(TrainConfig, ChecksWhatOptionsSayTogether) {
  EXPECT_THAT(usage_error_of({"--validation-every", "5"}), HasSubstr("nothing to validate on"));
  EXPECT_THAT(usage_error_of({"--validation-split", "0.1", "--validation-data", "v"}), HasSubstr("two sets"));
  EXPECT_THAT(usage_error_of({"--preview-every", "5"}), HasSubstr("nothing to preview"));
}

TEST(TrainConfig, AReplayNeedsNoModelDataOrOutput) {
  TrainConfig config;
  const std::vector<const char*> words{"trainer", "--replay", "somewhere"};
  EXPECT_EQ(parse_train_config(3, words.data(), config), ParseResult::kRun);
  EXPECT_EQ(config.process.replay_directory, "somewhere");
}

}  // namespace
}  // namespace sdlora::trainer
