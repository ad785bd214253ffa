#include "trainer/step/step.h"

#include <cmath>

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "tests/support/same_tensors.h"
#include "tests/trainer/played_world.h"
#include "tests/trainer/tiny_training.h"

namespace sdlora::trainer {
namespace {

double relative_difference(const at::Tensor& a, const at::Tensor& b) {
  return ((a - b).norm() / b.norm()).item<double>();
}

// What the first step leaves.
checkpoint::NamedTensors state_after_a_step(const TinySettings& settings) {
  TinyTraining training(settings);
  training.step().run(1, *training.world, /*stop_requested=*/false);
  return training.state();
}

TEST(TrainingStep, LowersTheLossOfABatchThatItSeesAgain) {
  TinyTraining training;
  TrainingStep step = training.step();
  const double first = step.run(1, *training.world, /*stop_requested=*/false).loss;
  double last = first;
  for (int again = 0; again < 10; ++again) last = step.run(1, *training.world, /*stop_requested=*/false).loss;
  EXPECT_LT(last, 0.98 * first);
}

TEST(TrainingStep, DrawsTheBatchThatFollowsTheStepsDone) {
  TinyTraining training;
  TrainingStep step = training.step();
  for (const int64_t number : {1, 3}) {
    const StepResult result = step.run(number, *training.world, /*stop_requested=*/false);
    ASSERT_EQ(result.sample_losses.size(), 4u);
    for (const int64_t slot : {0, 1, 2, 3})
      EXPECT_TRUE(at::equal(result.sample_losses[static_cast<size_t>(slot)].timesteps,
                            training.batches.make(number - 1, slot, 1).timesteps));
  }
}

TEST(TrainingStep, TellsTheMeanOfItsSamplesLosses) {
  TinyTraining training(
      {.share = {.batch_size = 4, .micro_batch_size = 2, .first_slot = 0, .slot_count = 4}});
  const StepResult result = training.step().run(1, *training.world, /*stop_requested=*/false);
  ASSERT_EQ(result.sample_losses.size(), 2u);
  const at::Tensor all = at::cat({result.sample_losses[0].losses, result.sample_losses[1].losses});
  EXPECT_EQ(all.numel(), 4);
  EXPECT_NEAR(result.loss / all.to(at::kDouble).mean().item<double>(), 1, 1e-6);
}

TEST(TrainingStep, SkipsTheStepOfASampleThatIsNotFiniteAndNoOther) {
  TinyTraining training(
      {.share = {.batch_size = 1, .micro_batch_size = 1, .first_slot = 0, .slot_count = 1}, .poisoned = 3});
  TrainingStep step = training.step();
  std::vector<int64_t> skipped;
  for (int64_t number = 1; number <= kTinySampleCount; ++number) {  // an epoch
    const checkpoint::NamedTensors before = training.state();
    const StepResult result = step.run(number, *training.world, /*stop_requested=*/false);
    if (!result.is_skipped) {
      EXPECT_TRUE(std::isfinite(result.loss) && std::isfinite(result.gradient_norm));
      EXPECT_FALSE(at::equal(training.state().at("parameters"), before.at("parameters")));
      continue;
    }
    EXPECT_TRUE(std::isnan(result.loss) && std::isnan(result.gradient_norm));
    EXPECT_FALSE(result.is_loss_scale_search);
    expect_same_tensors(training.state(), before);
    for (const NonfiniteMicroBatch& micro_batch : result.nonfinite)
      skipped.push_back(micro_batch.batch.sample_indices[micro_batch.suspects().at(0)]);
  }
  EXPECT_THAT(skipped, testing::ElementsAre(3));
}

TEST(TrainingStep, SkipsWhatOnlyAnotherRankFoundNotFinite) {
  TinyTraining training({.reduction = Reduction::kFp32});
  const checkpoint::NamedTensors before = training.state();
  PlayedWorld world(0, 2);
  world.add_the_others = [](at::Tensor& sums) { sums[0] = std::nan(""); };
  const StepResult result = training.step().run(1, world, /*stop_requested=*/false);
  EXPECT_TRUE(result.is_skipped);
  EXPECT_THAT(result.nonfinite, testing::IsEmpty());
  expect_same_tensors(training.state(), before);
}

TEST(TrainingStep, TellsThatItWasAskedToStopAndForgetsIt) {
  TinyTraining training;
  TrainingStep step = training.step();
  EXPECT_TRUE(step.run(1, *training.world, /*stop_requested=*/true).stop_was_requested);
  EXPECT_FALSE(step.run(2, *training.world, /*stop_requested=*/false).stop_was_requested);
}

TEST(TrainingStep, LearnsAtTheRateOfItsSchedule) {
  const LearningRateSchedule schedule{
      .peak = 1e-2, .kind = ScheduleKind::kCosine, .warmup_steps = 4, .max_steps = 20};
  TinyTraining training({.learning_rate = schedule});
  TrainingStep step = training.step();
  const at::Tensor before = training.adapter.parameters().clone();
  EXPECT_EQ(step.run(1, *training.world, /*stop_requested=*/false).learning_rate, 0);
  EXPECT_TRUE(at::equal(training.adapter.parameters(), before)) << "the rate of the first step is 0";
  EXPECT_EQ(step.run(2, *training.world, /*stop_requested=*/false).learning_rate, 0.25e-2);
  const at::Tensor moved = (training.adapter.parameters() - before).abs().max();
  EXPECT_GT(moved.item<double>(), 0.2e-2);
  EXPECT_LT(moved.item<double>(), 0.3e-2) << "AdamW moves by the rate at most, at first";
  EXPECT_EQ(step.run(12, *training.world, /*stop_requested=*/false).learning_rate, schedule.at(11));
}

TEST(TrainingStep, HasTheSameGradientsHoweverTheBatchIsCut) {
  const checkpoint::NamedTensors ones = state_after_a_step({});
  for (const int64_t size : {2, 4}) {
    const checkpoint::NamedTensors larger = state_after_a_step(
        {.share = {.batch_size = 4, .micro_batch_size = size, .first_slot = 0, .slot_count = 4}});
    EXPECT_LT(relative_difference(larger.at("first_moment"), ones.at("first_moment")), 1e-5) << size;
  }
}

TEST(TrainingStep, HasTheSameBytesWhicheverRankComputesASlot) {
  const auto half = [](int64_t first_slot) {
    return TinySettings{
        .share = {.batch_size = 4, .micro_batch_size = 1, .first_slot = first_slot, .slot_count = 2}};
  };
  at::Tensor words_of_the_other;
  TinyTraining other(half(2)), mine(half(0));
  PlayedWorld world_of_the_other(1, 2), world(0, 2);
  world_of_the_other.add_the_others = [&](at::Tensor& words) { words_of_the_other = words.clone(); };
  world.add_the_others = [&](at::Tensor& words) { words.add_(words_of_the_other); };
  other.step().run(1, world_of_the_other, /*stop_requested=*/false);
  mine.step().run(1, world, /*stop_requested=*/false);
  expect_same_tensors(mine.state(), state_after_a_step({}));
}

TEST(TrainingStep, TakesTheLossScaleOutAgain) {
  const checkpoint::NamedTensors plain = state_after_a_step({});
  TinyTraining scaled({.scales_loss = true});
  EXPECT_GT(scaled.step().run(1, *scaled.world, /*stop_requested=*/false).loss_scale, 1);
  expect_same_tensors(scaled.state(), plain);  // a power of two changes no digit in fp32
}

TEST(TrainingStep, LowersALossScaleThatIsTooHighAndBlamesNoSample) {
  TinyTraining training({.scales_loss = true});
  training.loss_scaler.load({.scale = std::ldexp(1.0, 130), .steps_since_change = 0});
  const checkpoint::NamedTensors before = training.state();
  const StepResult result = training.step().run(1, *training.world, /*stop_requested=*/false);
  EXPECT_TRUE(result.is_skipped && result.is_loss_scale_search);
  EXPECT_TRUE(std::isfinite(result.loss));
  EXPECT_EQ(training.loss_scaler.scale(), std::ldexp(1.0, 129));
  expect_same_tensors(training.state(), before);
}

TEST(TrainingStep, ClipsTheGradientAndTellsItsNormBefore) {
  const double norm =
      TinyTraining().step().run(1, *comm::make_single_process_communicator(), false).gradient_norm;
  TinyTraining training({.max_gradient_norm = norm / 8});
  const StepResult result = training.step().run(1, *training.world, /*stop_requested=*/false);
  EXPECT_EQ(result.gradient_norm, norm);
  EXPECT_NEAR(training.state().at("first_moment").norm().item<double>() / (0.1 * norm / 8), 1, 1e-3);
}

}  // namespace
}  // namespace sdlora::trainer
