#include "trainer/run/run_checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/error.h"

namespace sdlora::trainer {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

// A run with the trainer's options as given.
struct Example {
  TrainConfig config;
  RunState state;
};

Example run_with(std::vector<const char*> words) {
  Example run;
  words.insert(words.begin(), {"trainer", "--model", "m", "--data", "d", "--output", "o"});
  parse_train_config(static_cast<int>(words.size()), words.data(), run.config);
  run.config.settings.resolve("micro-batch-size", "4");
  run.state = {.step = 20,
               .micro_batch_size = 4,
               .cpu_threads = 2,
               .cpu_kernels = "ATen",
               .data_hash = "data",
               .model_hash = "model",
               .settings = defining_settings(run.config)};
  return run;
}

std::string warning_of(const RunState& saved, const Example& mine) {
  return check_resumable(saved, mine.state, mine.config.settings);
}

std::string refusal_of(const RunState& saved, const Example& mine) {
  try {
    warning_of(saved, mine);
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::kMismatch);
    return error.what();
  }
  return "nothing was refused";
}

TEST(RunCheckpoint, IsGoneOnFromWithTheSameSettings) {
  EXPECT_EQ(warning_of(run_with({"--seed", "3"}).state, run_with({"--seed", "3"})), "");
}

TEST(RunCheckpoint, IsRefusedForEverySettingThatDecidesTheResult) {
  const Example mine = run_with({});
  for (const auto& [name, value] : mine.state.settings) {
    if (name == "max-steps" || name == "max-epochs") continue;  // which says the same
    RunState saved = mine.state;
    saved.settings[name] = "another";
    EXPECT_THAT(refusal_of(saved, mine), AllOf(HasSubstr(name + " = another"),
                                               HasSubstr(name + " = " + value), HasSubstr("--output")));
  }
}

TEST(RunCheckpoint, ComparesValuesAndNotTheirSpelling) {
  RunState saved = run_with({}).state;
  for (const char* text : {"1e-5", "1e-05", "0.00001", "1E-5", "+1e-5"}) {  // as earlier versions saved them
    saved.settings["learning-rate"] = text;
    EXPECT_EQ(warning_of(saved, run_with({})), "") << text;
    EXPECT_EQ(warning_of(saved, run_with({"--learning-rate", "10e-6"})), "") << text;
  }
  saved.settings["max-grad-norm"] = "1.0";
  saved.settings["seed"] = "0x0";
  EXPECT_EQ(warning_of(saved, run_with({})), "");
}

TEST(RunCheckpoint, TellsLargeSeedsApart) {  // as doubles they would be the same
  EXPECT_THAT(
      refusal_of(run_with({"--seed", "9007199254740993"}).state, run_with({"--seed", "9007199254740992"})),
      AllOf(HasSubstr("seed = 9007199254740993"), HasSubstr("seed = 9007199254740992")));
}

TEST(RunCheckpoint, AnOptionThatItDoesNotKnowHadItsDefault) {
  RunState saved = run_with({}).state;
  saved.settings.erase("noise-offset");
  EXPECT_EQ(warning_of(saved, run_with({})), "");
  EXPECT_EQ(warning_of(saved, run_with({"--noise-offset", "0.0"})), "");
  EXPECT_THAT(refusal_of(saved, run_with({"--noise-offset", "0.1"})),
              AllOf(HasSubstr("noise-offset = 0 "), HasSubstr("noise-offset = 0.1")));
}

TEST(RunCheckpoint, AnOptionThatOnlyItKnowsIsADifference) {
  RunState saved = run_with({}).state;
  saved.settings["a-later-one"] = "5";
  EXPECT_THAT(refusal_of(saved, run_with({})),
              AllOf(HasSubstr("a-later-one = 5"), HasSubstr("a-later-one = (not an option")));
}

TEST(RunCheckpoint, IsRefusedForOtherDataOrAnotherModel) {
  RunState saved = run_with({}).state;
  saved.data_hash = "other data";
  EXPECT_THAT(refusal_of(saved, run_with({})),
              AllOf(HasSubstr("data = other data"), Not(HasSubstr("model ="))));
  saved.model_hash = "other model";
  EXPECT_THAT(refusal_of(saved, run_with({})), HasSubstr("model = other model"));
}

TEST(RunCheckpoint, MayBeGoneOnFromToAnotherLastStepWithAWarning) {
  EXPECT_THAT(warning_of(run_with({"--max-steps", "100"}).state, run_with({"--max-steps", "200"})),
              AllOf(HasSubstr("max-steps was 100 and is 200 now"), HasSubstr("step 20")));
}

TEST(RunCheckpoint, IsRefusedByAShorterRun) {
  EXPECT_EQ(warning_of(run_with({"--max-steps", "20"}).state, run_with({"--max-steps", "20"})), "");
  EXPECT_THAT(refusal_of(run_with({"--max-steps", "40"}).state, run_with({"--max-steps", "19"})),
              AllOf(HasSubstr("--max-steps 20 or more"), HasSubstr("--max-steps 19")));
}

TEST(RunCheckpoint, IsRefusedForAnotherAdapterToBeginFrom) {
  RunState saved = run_with({}).state;
  saved.init_adapter_hash = "abc";
  EXPECT_THAT(refusal_of(saved, run_with({})), HasSubstr("init-adapter = abc"));
  EXPECT_EQ(run_state_from_json(to_json(saved), "here").init_adapter_hash, "abc");
}

TEST(RunCheckpoint, WarnsWhereSumsMayRoundDifferently) {
  RunState saved = run_with({}).state;
  saved.cpu_threads = 1;
  saved.cpu_kernels = "own";
  EXPECT_THAT(warning_of(saved, run_with({})),
              AllOf(HasSubstr("cpu-threads was 1 and is 2 now"), HasSubstr("CPU kernels was own")));
}

TEST(RunCheckpoint, DoesNotCareForWhatDecidesNoByte) {
  EXPECT_EQ(
      warning_of(run_with({"--checkpoint-every", "7", "--preview-seed", "3", "--metrics-port", "0"}).state,
                 run_with({"--tensorboard"})),
      "");
}

TEST(RunCheckpoint, ReadsBackWhatItWrote) {
  RunState state = run_with({"--learning-rate", "3e-4"}).state;
  state.consecutive_nonfinite = 2;
  state.loss_scaler.scale = 1024;
  const RunState read = run_state_from_json(to_json(state), "here");
  EXPECT_EQ(read.settings, state.settings);
  EXPECT_EQ(read.settings.at("learning-rate"), "3e-4");
  EXPECT_EQ(to_json(read), to_json(state));
  EXPECT_THROW(run_state_from_json("{", "here"), Error);
}

}  // namespace
}  // namespace sdlora::trainer
