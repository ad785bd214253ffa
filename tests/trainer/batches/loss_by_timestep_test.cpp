#include "trainer/batches/loss_by_timestep.h"

#include <fstream>

#include <gmock/gmock.h>

#include "tests/support/error_of.h"

namespace sdlora::trainer {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

model::NoiseSchedule stable_diffusion(model::PredictionWish prediction = model::PredictionWish::kEpsilon,
                                      model::ZeroSnrWish zero_snr = model::ZeroSnrWish::kOff) {
  const std::string path = testing::TempDir() + "loss_by_timestep_test.json";
  std::ofstream(path) << R"({"num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012,
                             "beta_schedule": "scaled_linear"})";
  return model::NoiseSchedule(model::ModelConfig(path),
                              {.prediction = prediction, .zero_terminal_snr = zero_snr});
}

constexpr std::array<size_t, 6> kTimesteps{0, 50, 100, 250, 500, 999};

// Within a part in 10,000: of ᾱ at timestep 0, 1 - ᾱ has not more digits in fp32.
void expect_near(const std::vector<float>& values, const std::array<double, 6>& expected) {
  ASSERT_THAT(values, SizeIs(1000));
  for (size_t i = 0; i < kTimesteps.size(); ++i)
    EXPECT_NEAR(values[kTimesteps[i]], expected[i], 1e-4 * expected[i]) << "timestep " << kTimesteps[i];
}

// The numbers are those of sd-scripts' custom_train_functions with torch 2.11.
TEST(WeightsByTimestep, OfMinSnrAreKohyas) {
  const LossOptions options{.min_snr_gamma = 5};
  expect_near(loss_by_timestep(options, stable_diffusion()).weights, {.0042537, .254437, .591445, 1, 1, 1});
  expect_near(loss_by_timestep(options, stable_diffusion(model::PredictionWish::kVelocity)).weights,
              {.0042501, .242117, .528884, .673792, .276332, .0046601});
}

TEST(WeightsByTimestep, OfDebiasedEstimationAreKohyas) {
  const LossOptions options{.is_debiased = true};
  expect_near(loss_by_timestep(options, stable_diffusion()).weights,
              {.0316228, .225583, .343932, .695799, 1.618280, 14.614647});
  expect_near(loss_by_timestep(options, stable_diffusion(model::PredictionWish::kVelocity)).weights,
              {.000999001, .048423, .105777, .326208, .723668, .995340});
}

TEST(WeightsByTimestep, MakeTheLossOfOnePredictionThatOfTheOther) {
  const std::array<double, 6> shares{.999001, .951577, .894223, .673792, .276332, .0046601};
  expect_near(
      loss_by_timestep({.scales_v_prediction = true}, stable_diffusion(model::PredictionWish::kVelocity))
          .weights,
      shares);
  std::array<double, 6> raised{};
  for (size_t i = 0; i < shares.size(); ++i) raised[i] = 1 + 0.25 / shares[i];
  expect_near(loss_by_timestep({.v_prediction_like_weight = 0.25}, stable_diffusion()).weights, raised);
}

TEST(WeightsByTimestep, MultiplyWhereSeveralAreAskedFor) {
  const LossOptions options{.min_snr_gamma = 5, .is_debiased = true};
  expect_near(loss_by_timestep(options, stable_diffusion()).weights,
              {.0042537 * .0316228, .254437 * .225583, .591445 * .343932, .695799, 1.618280, 14.614647});
}

TEST(WeightsByTimestep, AreFiniteWhereNothingOfThePictureIsLeft) {
  const model::NoiseSchedule schedule =
      stable_diffusion(model::PredictionWish::kVelocity, model::ZeroSnrWish::kOn);
  const LossOptions options{
      .kind = LossKind::kHuber, .min_snr_gamma = 5, .is_debiased = true, .scales_v_prediction = true};
  const LossByTimestep loss = loss_by_timestep(options, schedule);
  EXPECT_EQ(loss.weights.back(), 0);
  EXPECT_FLOAT_EQ(loss.huber_c.back(), 0.1F);
  EXPECT_EQ(loss_by_timestep({.is_debiased = true}, schedule).weights.back(), 1);
}

TEST(WeightsByTimestep, AreNoneWhereNoneAreAskedFor) {
  const LossByTimestep loss = loss_by_timestep({.prior_weight = 0.5, .is_masked = true}, stable_diffusion());
  EXPECT_THAT(loss.weights, IsEmpty());
  EXPECT_THAT(loss.huber_c, IsEmpty());
}

TEST(WeightsByTimestep, RefuseWhatTheModelsPredictionHasNoUseFor) {
  EXPECT_THAT(error_of([] { loss_by_timestep({.scales_v_prediction = true}, stable_diffusion()); }),
              HasSubstr("64 --scale-v-pred-loss is for models that predict the velocity"));
  EXPECT_THAT(error_of([] {
                loss_by_timestep({.v_prediction_like_weight = 1},
                                 stable_diffusion(model::PredictionWish::kVelocity));
              }),
              HasSubstr("64 --v-pred-like-loss is for models that predict epsilon"));
}

TEST(HuberC, GoesFromOneToItsOptionAsKohyas) {
  LossOptions options{.kind = LossKind::kHuber};
  const std::vector<float> by_snr = loss_by_timestep(options, stable_diffusion()).huber_c;
  EXPECT_NEAR(by_snr[0], .949709, 1e-5);
  EXPECT_NEAR(by_snr[250], .412963, 1e-6);
  EXPECT_NEAR(by_snr[500], .231284, 1e-6);
  EXPECT_NEAR(by_snr[999], .103691, 1e-6);
  options.huber_schedule = HuberSchedule::kExponential;
  const std::vector<float> exponential = loss_by_timestep(options, stable_diffusion()).huber_c;
  EXPECT_EQ(exponential[0], 1);
  EXPECT_NEAR(exponential[250], .562341, 1e-6);
  EXPECT_NEAR(exponential[500], .316228, 1e-6);
  EXPECT_NEAR(exponential[999], .100231, 1e-6);
  options.huber_schedule = HuberSchedule::kConstant;
  EXPECT_THAT(loss_by_timestep(options, stable_diffusion()).huber_c, testing::Each(0.1F));
}

}  // namespace
}  // namespace sdlora::trainer
