#include "trainer/watching/run_metrics.h"

#include <limits>
#include <thread>

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "tests/monitoring/metrics/scrape.h"
#include "tests/trainer/played_world.h"
#include "tests/trainer/tiny_run.h"

namespace sdlora::trainer {
namespace {

using monitoring::HasLine;
using testing::HasSubstr;

// What a run shows before its first step here.
std::string shown(const TinyRun& run, const LoadedRun& loaded, int64_t first_step = 0) {
  return scrape(RunMetrics(run.config, loaded, PlayedWorld(0, 2), run.watchdog, first_step).registry());
}

// What it shows after a step whose samples had these timesteps and losses.
std::string shown_after(const TinyRun& run, at::Tensor timesteps, at::Tensor losses) {
  const LoadedRun loaded = run.load();
  RunMetrics metrics(run.config, loaded, *run.world, run.watchdog, /*first_step=*/6);
  metrics.record_step({.step = 7, .loss = 0.5}, {.sample_losses = {{timesteps, losses}}});
  return scrape(metrics.registry());
}

std::string quarter(int number, const std::string& loss) {
  return "sdlora_loss_by_timestep_quarter{quarter=\"" + std::to_string(number) + "\"} " + loss;
}

std::string config_hash(const std::vector<std::string>& options) {
  const TinyRun run(options);
  const std::string answer = shown(run, run.load()), mark = "config_hash=\"";
  return answer.substr(answer.find(mark) + mark.size(), 12);
}

TEST(RunMetrics, SayWhatTheRunIs) {
  const TinyRun run({"--mixed-precision", "bf16", "--max-steps", "70", "--checkpoint-every", "30"});
  const LoadedRun loaded = run.load();
  const std::string answer = shown(run, loaded, /*first_step=*/20);
  const std::string data_hash = loaded.dataset.manifest_sha256().substr(0, 12);
  EXPECT_THAT(answer, HasSubstr("data_hash=\"" + data_hash +
                                "\",device=\"cpu\",precision=\"bf16\",world_size=\"2\"} 1\n"));
  for (const char* line : {"sdlora_world_size 2", "sdlora_max_steps 70",
                           "sdlora_checkpoint_interval_steps 30", "sdlora_step 20", "sdlora_loss_scale 1"})
    EXPECT_THAT(answer, HasLine(line));
}

TEST(RunMetrics, HaveOneHashForAllRunsThatComputeTheSame) {
  const std::string hash = config_hash({"--learning-rate", "1e-4"});
  EXPECT_THAT(hash, testing::MatchesRegex("[0-9a-f]+"));
  EXPECT_EQ(config_hash({"--learning-rate", "0.0001", "--checkpoint-every", "3"}), hash);
  EXPECT_NE(config_hash({"--learning-rate", "1e-4", "--seed", "1"}), hash);
}

TEST(RunMetrics, FollowTheStepAndTheSamplesOfThisRank) {
  const std::string answer = shown_after(TinyRun(), at::zeros({4}, at::kLong), at::ones({4}));
  for (const char* line :
       {"sdlora_step 7", "sdlora_loss 0.5", "sdlora_steps_total 1", "sdlora_samples_total 4"})
    EXPECT_THAT(answer, HasLine(line));
}

TEST(RunMetrics, TellLossesByTheQuarterOfTheTimesteps) {
  const std::string answer =
      shown_after(TinyRun(), at::tensor({750, 249, 500, 250}, at::kLong), at::tensor({0.5, 1.0, 0.25, 2.0}));
  EXPECT_THAT(answer, HasLine(quarter(1, "1")));
  EXPECT_THAT(answer, HasLine(quarter(2, "2")));
  EXPECT_THAT(answer, HasLine(quarter(3, "0.25")));
  EXPECT_THAT(answer, HasLine(quarter(4, "0.5")));
}

TEST(RunMetrics, CountTheTimestepsThatFourDoesNotDivideToTheLastQuarter) {
  TinyRun run;
  const std::filesystem::path whole = std::filesystem::absolute(run.config.places.model);
  run.config.places.model = run.folder / "model";
  write_bytes(run.folder / "model/scheduler/scheduler_config.json", R"({"num_train_timesteps": 1003})");
  std::filesystem::create_directory_symlink(whole / "unet", run.folder / "model/unet");
  EXPECT_THAT(shown_after(run, at::tensor({1002}, at::kLong), at::tensor({0.5})), HasLine(quarter(4, "0.5")));
}

TEST(RunMetrics, LookAtTheAdapterNowAndThen) {
  const TinyRun run;
  LoadedRun loaded = run.load();
  RunMetrics metrics(run.config, loaded, *run.world, run.watchdog, /*first_step=*/0);
  const std::string norm_of_b = "sdlora_adapter_norm{block=\"mid_block\",matrix=\"B\"} ";
  EXPECT_THAT(scrape(metrics.registry()), HasLine("sdlora_nonfinite_parameters 0"));
  EXPECT_THAT(scrape(metrics.registry()), HasLine(norm_of_b + "0")) << "as it begins";
  for (size_t module = 0; module < loaded.adapter.modules().size(); ++module)
    loaded.adapter.b(module).fill_(1);
  loaded.adapter.a(0)[0][0] = std::numeric_limits<float>::quiet_NaN();
  loaded.adapter.a(1)[2][3] = -std::numeric_limits<float>::infinity();
  std::this_thread::sleep_for(std::chrono::seconds(1));
  metrics.record_step({.step = 1}, {});
  EXPECT_THAT(scrape(metrics.registry()), HasLine("sdlora_nonfinite_parameters 2"));
  EXPECT_THAT(scrape(metrics.registry()), testing::Not(HasLine(norm_of_b + "0")));
}

}  // namespace
}  // namespace sdlora::trainer
