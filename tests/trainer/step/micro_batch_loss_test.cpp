#include "trainer/step/micro_batch_loss.h"

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
  const Losses computed = losses({.output = output_, .target = target_});
  EXPECT_EQ(computed.per_sample.scalar_type(), at::kFloat);
  EXPECT_EQ(computed.per_sample.sizes(), at::IntArrayRef({3}));
  EXPECT_LT(largest_relative_difference(computed.per_sample, error_.square().mean(at::IntArrayRef{1, 2, 3})),
            1e-6);
  EXPECT_EQ(computed.mean.scalar_type(), at::kFloat);
  EXPECT_LT(largest_relative_difference(computed.mean, error_.square().mean()), 1e-6);
  EXPECT_LT(largest_relative_difference(computed.mean, computed.per_sample.to(at::kDouble).mean()), 1e-6);
}

TEST_P(LossesInAType, HaveTheMeansGradientOnly) {
  const Losses computed = losses({.output = output_, .target = target_});
  EXPECT_FALSE(computed.per_sample.requires_grad());
  computed.mean.backward();
  const at::Tensor expected = 2 * error_ / static_cast<double>(error_.numel());
  const double rounding = GetParam() == at::kFloat ? 1e-6 : 1.0 / 256;  // of the gradient's own type
  EXPECT_LT(largest_relative_difference(output_.grad(), expected), rounding);
}

INSTANTIATE_TEST_SUITE_P(Types, LossesInAType, testing::Values(at::kFloat, at::kBFloat16));

TEST(Losses, ShowWhichSampleIsNotFinite) {
  at::Tensor output = random_values({3, 4, 5, 6}, 1);
  output[1][0][0][0] = std::numeric_limits<float>::infinity();
  const at::Tensor seen = losses({.output = output, .target = at::zeros_like(output)}).per_sample;
  EXPECT_TRUE(at::equal(at::isfinite(seen).to(at::kLong), at::tensor({1, 0, 1}, at::kLong)));
}

class PredictInAType : public testing::TestWithParam<at::ScalarType> {};

TEST_P(PredictInAType, AsksTheModelInItsTypeForTheNoiseOfNoisyLatents) {
  TinyTraining training({.dtype = GetParam()});
  const MicroBatch batch = training.batches.make(0, 0, 3);
  const Prediction prediction = predict(training.unet, training.schedule, training.mode, batch);
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
