#include "trainer/step/micro_batch_loss.h"

#include <vector>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/support/random_values.h"
#include "tests/trainer/tiny_training.h"

namespace sdlora::trainer {
namespace {

double largest_relative_difference(const at::Tensor& seen, const at::Tensor& expected) {
  return ((seen.to(at::kDouble) - expected) / expected).abs().max().item<double>();
}

class LossesInAType : public testing::TestWithParam<at::ScalarType> {
 protected:
  // [3, 4, 5, 6]
  const at::Tensor output_ = random_values({3, 4, 5, 6}, 1).to(GetParam()).requires_grad_();
  const at::Tensor target_ = random_values({3, 4, 5, 6}, 2);
  const at::Tensor error_ = output_.detach().to(at::kDouble) - target_.to(at::kDouble);
};

TEST_P(LossesInAType, AreMeanSquaresOfASampleAndOfAll) {
  const Losses computed = losses(LossKind::kMse, {.output = output_, .target = target_}, {});
  EXPECT_EQ(computed.per_sample.scalar_type(), at::kFloat);
  EXPECT_EQ(computed.per_sample.sizes(), at::IntArrayRef({3}));
  EXPECT_LT(largest_relative_difference(computed.per_sample, error_.square().mean(at::IntArrayRef{1, 2, 3})),
            1e-6);
  EXPECT_EQ(computed.mean.scalar_type(), at::kFloat);
  EXPECT_LT(largest_relative_difference(computed.mean, error_.square().mean()), 1e-6);
  EXPECT_LT(largest_relative_difference(computed.mean, computed.per_sample.to(at::kDouble).mean()), 1e-6);
}

TEST_P(LossesInAType, HaveTheMeansGradientOnly) {
  const Losses computed = losses(LossKind::kMse, {.output = output_, .target = target_}, {});
  EXPECT_FALSE(computed.per_sample.requires_grad());
  computed.mean.backward();
  const at::Tensor expected = 2 * error_ / static_cast<double>(error_.numel());
  const double rounding = GetParam() == at::kFloat ? 1e-6 : 1.0 / 256;  // of the gradient's own type
  EXPECT_LT(largest_relative_difference(output_.grad(), expected), rounding);
}

INSTANTIATE_TEST_SUITE_P(Types, LossesInAType, testing::Values(at::kFloat, at::kBFloat16));

// kohya's order (sd-scripts, process_batch): mask, mean over all cells, weight of the sample, mean over B.
TEST(Losses, CountCellsByMasksAndSamplesByWeights) {
  at::Tensor output = at::ones({2, 4, 1, 4}, at::kFloat);
  output.mul_(at::tensor({1.0F, 2.0F, 3.0F, 4.0F}).sqrt());  // squared errors 1, 2, 3, 4 along a row
  output.requires_grad_();
  MicroBatch batch;
  batch.masks = at::tensor({1.0F, 1.0F, 0.1F, 0.1F}).reshape({1, 1, 1, 4}).repeat({2, 1, 1, 1});
  batch.loss_weights = at::tensor({1.0F, 0.5F});
  const Losses computed =
      losses(LossKind::kMse, {.output = output, .target = at::zeros({2, 4, 1, 4})}, batch);
  const double expected = (1 + 2 + 0.3 + 0.4) / 4;
  EXPECT_LT(largest_relative_difference(computed.per_sample, at::full({2}, expected, at::kDouble)), 1e-6);
  EXPECT_NEAR(computed.mean.item<double>(), (expected + 0.5 * expected) / 2, 1e-6);
  computed.mean.backward();
  const double of_last_cell = 2 * 2 * 0.1 / (2.0 * 16);  // 2 · error · mask / (samples · cells)
  EXPECT_NEAR(output.grad()[0][0][0][3].item<double>(), of_last_cell, 1e-7);
  EXPECT_NEAR(output.grad()[1][0][0][3].item<double>(), 0.5 * of_last_cell, 1e-7);
}

TEST(Losses, AreTheSameWithMasksAndWeightsOfOne) {
  const Prediction prediction{.output = random_values({3, 4, 5, 6}, 1),
                              .target = random_values({3, 4, 5, 6}, 2)};
  MicroBatch batch;
  batch.loss_weights = at::ones({3});
  batch.masks = at::ones({3, 1, 5, 6});
  EXPECT_LT(largest_relative_difference(losses(LossKind::kMse, prediction, batch).mean,
                                        losses(LossKind::kMse, prediction, {}).mean.to(at::kDouble)),
            1e-6);
  EXPECT_TRUE(at::equal(losses(LossKind::kMse, prediction, batch).per_sample,
                        losses(LossKind::kMse, prediction, {}).per_sample));
}

struct LossOfDifference {
  LossKind kind;
  double difference;
  float huber_c;
  double expected;
};

// kohya's conditional_loss (sd-scripts train_util) of one cell.
const std::vector<LossOfDifference> kLossesOfDifferences{
    {LossKind::kMse, 0.5, 1, 0.25},          {LossKind::kL1, -0.5, 1, 0.5},
    {LossKind::kHuber, 0.5, 0.1F, 0.081980}, {LossKind::kSmoothL1, 0.5, 0.1F, 0.819804},
    {LossKind::kHuber, 0.5, 0.5F, 0.207107}, {LossKind::kSmoothL1, -0.5, 0.5F, 0.414214},
    {LossKind::kHuber, -2, 0.1F, 0.380500},  {LossKind::kSmoothL1, 2, 0.1F, 3.804997},
};

TEST(Losses, AreKohyasOfEachKind) {
  for (const LossOfDifference& row : kLossesOfDifferences) {
    at::Tensor output = at::full({1, 4, 3, 2}, row.difference, at::kFloat).requires_grad_();
    MicroBatch batch;
    batch.huber_c = at::full({1}, row.huber_c);
    const Losses computed = losses(row.kind, {.output = output, .target = at::zeros({1, 4, 3, 2})}, batch);
    EXPECT_NEAR(computed.mean.item<double>(), row.expected, 1e-6);
    EXPECT_NEAR(computed.per_sample[0].item<double>(), row.difference * row.difference, 1e-6)
        << "what is shown is the mean squared error";
    computed.mean.backward();
    EXPECT_GT(output.grad()[0][0][0][0].item<double>() * row.difference, 0) << "uphill, away from the target";
  }
}

TEST(Losses, KeepTheDigitsOfASmallDifferenceUnderALargeC) {
  MicroBatch batch;
  batch.huber_c = at::full({1}, 1000.0F);
  const Prediction prediction{.output = at::full({1, 4, 1, 1}, 1e-3F), .target = at::zeros({1, 4, 1, 1})};
  const double loss = losses(LossKind::kHuber, prediction, batch).mean.item<double>();
  EXPECT_NEAR(loss, 1e-6, 1e-11) << "far below c it is the square";
}

TEST(Losses, OfHuberHaveACForEachSample) {
  at::Tensor output = at::full({2, 4, 1, 1}, 0.5F);
  MicroBatch batch;
  batch.huber_c = at::tensor({0.1F, 0.5F});
  const Prediction prediction{.output = output, .target = at::zeros({2, 4, 1, 1})};
  EXPECT_NEAR(losses(LossKind::kHuber, prediction, batch).mean.item<double>(), (0.081980 + 0.207107) / 2,
              1e-6);
}

// A batch of kohya.md: mean squared error 0.2 at timestep 100, 0.4 at 750 of a regularisation picture that
// counts half, min-SNR 5.
TEST(Losses, WeighSamplesInKohyasOrder) {
  at::Tensor output = at::ones({2, 4, 1, 1});
  output.mul_(at::tensor({0.2F, 0.4F}).sqrt().view({2, 1, 1, 1}));
  MicroBatch batch;
  batch.loss_weights = at::tensor({0.591445F, 0.5F});
  const Losses computed = losses(LossKind::kMse, {.output = output, .target = at::zeros_like(output)}, batch);
  EXPECT_NEAR(computed.mean.item<double>(), 0.159145, 1e-6);
}

TEST(Losses, ShowWhichSampleIsNotFinite) {
  at::Tensor output = random_values({3, 4, 5, 6}, 1);
  output[1][0][0][0] = std::numeric_limits<float>::infinity();
  const at::Tensor seen =
      losses(LossKind::kMse, {.output = output, .target = at::zeros_like(output)}, {}).per_sample;
  EXPECT_TRUE(at::equal(at::isfinite(seen).to(at::kLong), at::tensor({1, 0, 1}, at::kLong)));
}

class PredictInAType : public testing::TestWithParam<at::ScalarType> {};

TEST_P(PredictInAType, AsksTheModelInItsTypeForTheNoiseOfNoisyLatents) {
  TinyTraining training({.dtype = GetParam()});
  const MicroBatch batch = training.batches.make(0, 0, 3);
  const Prediction prediction = predict({.unet = training.unet}, training.schedule, training.mode, batch);
  EXPECT_TRUE(at::equal(prediction.target, batch.noise));
  EXPECT_EQ(prediction.output.scalar_type(), GetParam());
  EXPECT_TRUE(prediction.output.requires_grad()) << "the adapter is trained through it";

  const at::Tensor alpha =
      training.schedule.alphas_cumprod().to(at::kDouble).index_select(0, batch.timesteps).view({3, 1, 1, 1});
  const at::Tensor noisy = alpha.sqrt() * batch.latents + (1 - alpha).sqrt() * batch.noise;
  const at::Tensor expected =
      training.unet.forward(noisy.to(GetParam()), batch.timesteps, batch.text_embeddings.to(GetParam()));
  const double difference = ((prediction.output - expected).norm() / expected.norm()).item<double>();
  EXPECT_LT(difference, GetParam() == at::kFloat ? 1e-5 : 2e-2);
}

INSTANTIATE_TEST_SUITE_P(Types, PredictInAType, testing::Values(at::kFloat, at::kBFloat16));

}  // namespace
}  // namespace sdlora::trainer
