#include "trainer/optimizers/max_norm.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "tests/support/error_of.h"

namespace sdlora::trainer {
namespace {

// down [[3, 0], [0, 1]] and up [[1, 0], [0, 2]] at scale 1/2, of kohya.md 5.5, and a module of small numbers.
class MaxNormTest : public testing::Test {
 protected:
  std::unique_ptr<Optimizer> bounded(double max_weight_norm) {
    OptimizerOptions options{.kind = OptimizerKind::kLion, .max_weight_norm = max_weight_norm};
    options.ema_decay = 0.5;
    return make_optimizer(options, parameters_,
                          {.matrices = {{.first = 0, .row_count = 2, .column_count = 2},
                                        {.first = 4, .row_count = 2, .column_count = 2},
                                        {.first = 8, .row_count = 1, .column_count = 2},
                                        {.first = 10, .row_count = 3, .column_count = 1}},
                           .scales = {0.5, 2},
                           .warmup_steps = 0});
  }

  at::Tensor parameters_ =
      at::tensor({3.0F, 0.0F, 0.0F, 1.0F, 1.0F, 0.0F, 0.0F, 2.0F, 0.1F, 0.2F, 0.1F, 0.0F, 0.2F});
};

TEST_F(MaxNormTest, ScalesBothMatricesOfAModuleThatIsAboveTheBound) {
  const at::Tensor before = parameters_.clone();
  const auto optimizer = bounded(1);
  optimizer->step(at::zeros({13}), /*learning_rate=*/0);
  EXPECT_LT((parameters_.narrow(0, 0, 8) - 0.7447820 * before.narrow(0, 0, 8)).abs().max().item<double>(),
            1e-6);
  EXPECT_TRUE(at::equal(parameters_.narrow(0, 8, 5), before.narrow(0, 8, 5)));
  const WeightNorms norms = optimizer->weight_norms().value();
  EXPECT_EQ(norms.scaled_count, 1);
  EXPECT_NEAR(norms.largest, 1, 1e-6);
  // of the other: 2 · ‖(0.1, 0, 0.2)‖ · ‖(0.1, 0.2)‖ = 0.1
  EXPECT_NEAR(norms.mean, (1 + 0.1) / 2, 1e-6);
}

TEST_F(MaxNormTest, LeavesModulesBelowTheBoundAlone) {
  const at::Tensor before = parameters_.clone();
  const auto optimizer = bounded(1.81);
  optimizer->step(at::zeros({13}), /*learning_rate=*/0);
  EXPECT_TRUE(at::equal(parameters_, before));
  EXPECT_EQ(optimizer->weight_norms()->scaled_count, 0);
  EXPECT_NEAR(optimizer->weight_norms()->largest, 1.8027756, 1e-6);
}

TEST_F(MaxNormTest, StandsBetweenTheUpdateAndTheMovingAverage) {
  const auto optimizer = bounded(1);
  const at::Tensor before = parameters_.clone();
  optimizer->step(at::zeros({13}), /*learning_rate=*/0);
  const at::Tensor expected = before + 0.9 * (parameters_ - before);  // after the first update
  EXPECT_LT((optimizer->moving_average().value() - expected).abs().max().item<double>(), 1e-6);
}

TEST_F(MaxNormTest, IsNotThereUnlessAskedFor) {
  EXPECT_FALSE(bounded(0)->weight_norms().has_value());
}

TEST(MaxNorm, IsRefusedWithScheduleFreeAdamW) {
  OptimizerOptions options{.kind = OptimizerKind::kScheduleFreeAdamW, .max_weight_norm = 1};
  EXPECT_THAT(message_of_error(ExitCode::kUsage, [&] { options.settle(); }),
              testing::HasSubstr("--max-weight-norm"));
}

}  // namespace
}  // namespace sdlora::trainer
