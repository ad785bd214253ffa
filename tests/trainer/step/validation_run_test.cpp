// tests/system/validation_test.py compares its figures with diffusers'.
#include <cmath>

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "tests/support/error_of.h"
#include "tests/support/random_values.h"
#include "tests/trainer/played_world.h"
#include "tests/trainer/tiny_training.h"
#include "trainer/step/validation.h"

namespace sdlora::trainer {
namespace {

bool never() {
  return false;
}

// Of two samples, so of eight pairs in groups of three.
struct ValidationOfTwo {
  explicit ValidationOfTwo(const TinySettings& settings = {}) : training(settings) {}

  ValidationResult run(comm::Communicator& world, const std::function<bool()>& stop_requested = never) {
    return validation.run({.unet = training.unet}, world, training.watchdog, stop_requested);
  }

  ValidationResult run() { return run(*training.world); }

  TinyTraining training;
  Validation validation{training.dataset, {1, 3}, training.schedule, training.mode, /*micro_batch_size=*/3};
};

TEST(ValidationRun, HasTheMeanOfItsQuarters) {
  const ValidationResult result = ValidationOfTwo().run();
  double sum = 0;
  for (const double loss : result.quarter_losses) {
    EXPECT_GT(loss, 0);
    sum += loss;
  }
  EXPECT_NEAR(result.loss, sum / 4, 1e-12);
  EXPECT_FALSE(result.was_interrupted);
}

TEST(ValidationRun, RepeatsItselfAndFollowsTheAdapterAlone) {
  ValidationOfTwo two;
  const ValidationResult first = two.run();
  const at::Tensor gradients = two.training.adapter.gradients().clone();
  EXPECT_EQ(two.run().quarter_losses, first.quarter_losses);
  EXPECT_TRUE(at::equal(two.training.adapter.gradients(), gradients));
  two.training.adapter.parameters().copy_(0.1 * random_values(two.training.adapter.parameters().sizes(), 3));
  const ValidationResult trained = two.run();
  for (size_t quarter = 0; quarter < trained.quarter_losses.size(); ++quarter)
    EXPECT_NE(trained.quarter_losses[quarter], first.quarter_losses[quarter]) << quarter;
}

TEST(ValidationRun, HasTheSameBytesOnTwoRanks) {
  ValidationOfTwo two;
  const ValidationResult alone = two.run();
  at::Tensor words_of_the_other;
  PlayedWorld world_of_the_other(1, 2), world(0, 2);
  world_of_the_other.add_the_others = [&](at::Tensor& words) { words_of_the_other = words.clone(); };
  world.add_the_others = [&](at::Tensor& words) { words.add_(words_of_the_other); };
  two.run(world_of_the_other);
  const ValidationResult shared = two.run(world);
  EXPECT_EQ(shared.quarter_losses, alone.quarter_losses);
  EXPECT_EQ(shared.loss, alone.loss);
}

TEST(ValidationRun, IsNotANumberWhenALossIsNotFinite) {
  EXPECT_TRUE(std::isnan(ValidationOfTwo({.poisoned = 3}).run().loss));
  EXPECT_TRUE(std::isfinite(ValidationOfTwo({.poisoned = 2}).run().loss)) << "which is not in the set";
}

TEST(ValidationRun, StopsBeforeTheNextForwardAndTellsTheOtherRanks) {
  ValidationOfTwo two;
  int64_t question_count = 0;
  EXPECT_TRUE(two.run(*two.training.world, [&] { return ++question_count == 2; }).was_interrupted);
  EXPECT_EQ(question_count, 2) << "of three";

  at::Tensor words_of_the_other;
  PlayedWorld world_of_the_other(1, 2), world(0, 2);
  world_of_the_other.add_the_others = [&](at::Tensor& words) { words_of_the_other = words.clone(); };
  world.add_the_others = [&](at::Tensor& words) { words.add_(words_of_the_other); };
  two.run(world_of_the_other, [] { return true; });
  EXPECT_TRUE(two.run(world).was_interrupted);
  EXPECT_FALSE(two.run().was_interrupted);
}

TEST(ValidationRun, RefusesAnEmptySet) {
  const TinyTraining training;
  EXPECT_THAT(error_of([&] { Validation(training.dataset, {}, training.schedule, training.mode, 1); }),
              testing::StartsWith("64 "));
}

}  // namespace
}  // namespace sdlora::trainer
