// tests/system/nonfinite_test.py runs into them in earnest.
#include "trainer/watching/nonfinite_guard.h"

#include <limits>

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "tests/support/error_of.h"
#include "tests/trainer/tiny_run.h"

namespace sdlora::trainer {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

const StepResult kFinite{.is_skipped = false};
const StepResult kLossScaleSearch{.is_skipped = true, .is_loss_scale_search = true};

class NonfiniteGuardOfARun : public testing::Test {
 protected:
  void check(const StepResult& result) { guard_.check(++step_, result, loaded_, "a hash", run_.watchdog); }

  StepResult not_finite() {
    const MicroBatch batch = loaded_.batches.make(0, 2, 1);
    return {.is_skipped = true,
            .nonfinite = {{.batch = batch,
                           .prediction = at::zeros_like(batch.latents),
                           .sample_losses = at::full({1}, std::numeric_limits<float>::quiet_NaN()),
                           .has_finite_gradients = true}}};
  }

  std::vector<std::string> records() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(output_))
      names.push_back(entry.path().filename());
    return names;
  }

  TinyRun run_{{"--micro-batch-size", "1", "--max-nonfinite-steps", "4", "--prediction-type", "v_prediction",
                "--zero-terminal-snr", "on"}};
  const std::filesystem::path output_ = run_.config.places.output;
  LoadedRun loaded_ = run_.load();
  NonfiniteGuard guard_{run_.config, *run_.world};
  int64_t step_ = 0;
};

TEST_F(NonfiniteGuardOfARun, CountsStepsInARow) {
  check(not_finite());
  check(not_finite());
  EXPECT_EQ(guard_.consecutive_count(), 2);
  check(kLossScaleSearch);
  EXPECT_EQ(guard_.consecutive_count(), 2) << "which is nobody's fault, and no good step either";
  check(kFinite);
  EXPECT_EQ(guard_.consecutive_count(), 0);
}

TEST_F(NonfiniteGuardOfARun, EndsARunAfterOneTooMany) {
  for (int i = 0; i < 3; ++i) EXPECT_NO_THROW(check(not_finite()));
  EXPECT_THAT(error_of([&] { check(not_finite()); }),
              AllOf(StartsWith("76 "), HasSubstr("4 steps up to step 4"), HasSubstr(output_.string())));
}

TEST_F(NonfiniteGuardOfARun, GoesOnCountingWhereACheckpointLeftOff) {
  guard_.restore(3);
  EXPECT_THAT(error_of([&] { check(not_finite()); }), StartsWith("76 "));
}

TEST_F(NonfiniteGuardOfARun, KeepsTheInputsOfTheFirstThreeOnly) {
  for (int i = 0; i < 5; ++i) {
    check(kFinite);
    check(kLossScaleSearch);
    check(not_finite());
  }
  EXPECT_THAT(records(), testing::UnorderedElementsAre("nonfinite-step-000003", "nonfinite-step-000006",
                                                       "nonfinite-step-000009"));
  const NonfiniteRecord record = read_nonfinite_record(output_ / "nonfinite-step-000006");
  EXPECT_EQ(record.step, 6);
  EXPECT_EQ(record.model_hash, "a hash");
  EXPECT_EQ(record.micro_batch_size, 1);
  EXPECT_EQ(record.schedule.prediction, model::PredictionWish::kVelocity);
  EXPECT_EQ(record.schedule.zero_terminal_snr, model::ZeroSnrWish::kOn);
  ASSERT_EQ(record.samples.size(), 1u);
  EXPECT_EQ(record.samples[0].slot, 2);
  EXPECT_EQ(record.samples[0].loss, "nan");
}

}  // namespace
}  // namespace sdlora::trainer
