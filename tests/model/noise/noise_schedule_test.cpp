#include "model/noise/noise_schedule.h"

#include <cmath>
#include <fstream>

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "common/seeds.h"
#include "tests/support/error_of.h"

namespace sdlora::model {
namespace {

using testing::AllOf;
using testing::HasSubstr;

NoiseSchedule schedule_of(const std::string& json, const NoiseWish& wish = {}) {
  const std::string path = testing::TempDir() + "noise_schedule_test.json";
  std::ofstream(path) << json;
  return NoiseSchedule(ModelConfig(path), wish);
}

constexpr const char* kStableDiffusion =
    R"({"num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"%s})";

std::string with(const std::string& more) {
  std::string json = kStableDiffusion;
  return json.replace(json.find("%s"), 2, more);
}

at::Tensor random_values(uint64_t seed) {
  return at::randn({3, 4, 5, 6}, generator_for(seed), at::kFloat);
}

TEST(NoiseSchedule, IsStableDiffusionsScaledLinearOne) {
  const NoiseSchedule schedule = schedule_of(with(""));
  EXPECT_EQ(schedule.timestep_count(), 1000);
  double product = 1;
  for (int t = 0; t < 1000; ++t) {
    const double root = std::sqrt(0.00085) + (std::sqrt(0.012) - std::sqrt(0.00085)) * t / 999;
    product *= 1 - root * root;
    ASSERT_NEAR(schedule.alphas_cumprod()[t].item<double>() / product, 1, 1e-4) << t;
  }
}

TEST(NoiseSchedule, KeepsTheVarianceOfUnitLatents) {
  const NoiseSchedule schedule = schedule_of(with(""));
  const at::Tensor x = random_values(1), noise = random_values(2), t = at::tensor({0, 500, 999}, at::kLong);
  const at::Tensor noisy = schedule.add_noise(x, noise, t);
  for (int64_t i = 0; i < 3; ++i) {
    const double alpha = schedule.alphas_cumprod()[t[i].item<int64_t>()].item<double>();
    EXPECT_TRUE(
        at::allclose(noisy[i], std::sqrt(alpha) * x[i] + std::sqrt(1 - alpha) * noise[i], 1e-5, 1e-5));
  }
}

TEST(NoiseSchedule, AsksForTheNoiseOrForTheVelocity) {
  const at::Tensor x = random_values(1), noise = random_values(2), t = at::tensor({10, 500, 999}, at::kLong);
  EXPECT_TRUE(at::equal(schedule_of(with("")).target(x, noise, t), noise));
  const NoiseSchedule velocity = schedule_of(with(R"(, "prediction_type": "v_prediction")"));
  const at::Tensor alpha = velocity.alphas_cumprod().index_select(0, t).view({3, 1, 1, 1});
  EXPECT_TRUE(at::allclose(velocity.target(x, noise, t), alpha.sqrt() * noise - (1 - alpha).sqrt() * x));
}

TEST(NoiseSchedule, HasDiffusersSignalToNoiseRatio) {
  // compute_snr(DDPMScheduler(1000, 0.00085, 0.012, "scaled_linear"), timesteps) of
  // diffusers.training_utils 0.42.1 with torch 2.11
  const at::Tensor timesteps = at::tensor({0, 1, 10, 100, 250, 500, 750, 900, 999}, at::kLong);
  const at::Tensor expected = at::tensor(
      {1175.4405517578125, 585.8621826171875, 103.50749969482422, 8.453866004943848, 2.0655317306518555,
       0.38185006380081177, 0.059512604027986526, 0.014354261569678783, 0.004681912250816822},
      at::kDouble);
  const at::Tensor snr = schedule_of(with("")).snr(timesteps);
  EXPECT_EQ(snr.scalar_type(), at::kFloat);
  EXPECT_LT(((snr - expected) / expected).abs().max().item<double>(), 1e-6);
}

// DDPMScheduler(1000, …).alphas_cumprod of diffusers 0.42.1 with torch 2.11, at these timesteps; all of them
// are compared in sampler_parity.py.
const std::vector<int64_t> kSomeTimesteps{0, 1, 10, 100, 250, 500, 750, 900, 998, 999};

void expect_alphas(const NoiseSchedule& schedule, const std::vector<double>& expected) {
  for (size_t i = 0; i < expected.size(); ++i)
    EXPECT_NEAR(schedule.alphas_cumprod()[kSomeTimesteps[i]].item<double>(), expected[i], 1e-6 * expected[i])
        << kSomeTimesteps[i];
}

TEST(NoiseSchedule, HasDiffusersCosineSchedule) {
  expect_alphas(schedule_of(R"({"beta_schedule": "squaredcos_cap_v2"})"),
                {0.9999586939811707, 0.9999125599861145, 0.9992788434028625, 0.9715756177902222,
                 0.8458880186080933, 0.4922850430011749, 0.14317865669727325, 0.023616107180714607,
                 2.428766265438753e-06, 2.4287349909002387e-09});
}

constexpr const char* kZeroSnr = R"(, "rescale_betas_zero_snr": true, "prediction_type": "v_prediction")";

TEST(NoiseSchedule, LeavesNothingOfThePictureWhereTheTerminalSnrIsZero) {
  const NoiseSchedule schedule = schedule_of(with(kZeroSnr));
  EXPECT_TRUE(schedule.has_zero_terminal_snr());
  expect_alphas(schedule, {0.9991499781608582, 0.9982334971427917, 0.9897937178611755, 0.8867610692977905,
                           0.6524567604064941, 0.2410186380147934, 0.03279908001422882, 0.002960391342639923,
                           1.9679633567193378e-07, 0.0});
  EXPECT_EQ(schedule.nonzero_alphas_cumprod()[999].item<float>(), 0x1p-24F);
  EXPECT_TRUE(at::equal(schedule.nonzero_alphas_cumprod().slice(0, 0, 999),
                        schedule.alphas_cumprod().slice(0, 0, 999)));
  const at::Tensor x = random_values(1), noise = random_values(2), t = at::full({3}, 999, at::kLong);
  EXPECT_TRUE(at::equal(schedule.add_noise(x, noise, t), noise));
  EXPECT_TRUE(at::equal(schedule.target(x, noise, t), -x));
}

TEST(NoiseSchedule, TakesTrainedBetasBeforeAnyRule) {
  const NoiseSchedule schedule = schedule_of(
      R"({"num_train_timesteps": 3, "trained_betas": [0.5, 0.25, 0.5], "beta_schedule": "squaredcos_cap_v2"})");
  EXPECT_EQ(schedule.timestep_count(), 3);
  EXPECT_TRUE(at::equal(schedule.alphas_cumprod(), at::tensor({0.5F, 0.375F, 0.1875F})));
  for (const char* betas : {"[0.5, 0.25]", "[]", "[0.5, 0.5, 2]", "[0.5, 0.5, -1]", "[0.5, 0.5, \"a\"]", "7"})
    EXPECT_THAT(
        message_of_error(ExitCode::kBadData,
                         [&] {
                           schedule_of(std::string(R"({"num_train_timesteps": 3, "trained_betas": )") +
                                       betas + "}");
                         }),
        HasSubstr("trained_betas"));
}

TEST(NoiseSchedule, HeedsTheOptionsBeforeTheFileAndSaysWhichItWas) {
  EXPECT_EQ(schedule_of(with("")).describe(),
            "predicts epsilon (assumed: the scheduler file does not say), "
            "zero terminal SNR off (assumed: the scheduler file does not say)");
  EXPECT_EQ(schedule_of(with(kZeroSnr)).describe(),
            "predicts velocity (scheduler file), zero terminal SNR on (scheduler file)");
  const NoiseSchedule plain = schedule_of(
      with(kZeroSnr), {.prediction = PredictionWish::kEpsilon, .zero_terminal_snr = ZeroSnrWish::kOff});
  EXPECT_EQ(plain.describe(),
            "predicts epsilon (--prediction-type), zero terminal SNR off (--zero-terminal-snr)");
  EXPECT_EQ(plain.prediction_type(), PredictionType::kEpsilon);
  EXPECT_TRUE(at::equal(plain.alphas_cumprod(), schedule_of(with("")).alphas_cumprod()));
  const NoiseSchedule both =
      schedule_of(with(""), {.prediction = PredictionWish::kVelocity, .zero_terminal_snr = ZeroSnrWish::kOn});
  EXPECT_EQ(both.prediction_type(), PredictionType::kVelocity);
  EXPECT_TRUE(at::equal(both.alphas_cumprod(), schedule_of(with(kZeroSnr)).alphas_cumprod()));
  EXPECT_NO_THROW(
      schedule_of(with(R"(, "prediction_type": "sample")"), {.prediction = PredictionWish::kEpsilon}));
}

TEST(NoiseSchedule, RefusesEpsilonWhereNothingIsLeftToTellItFrom) {
  EXPECT_THAT(
      message_of_error(ExitCode::kBadData, [] { schedule_of(with(R"(, "rescale_betas_zero_snr": true)")); }),
      AllOf(HasSubstr("nothing of the picture is left"), HasSubstr("--prediction-type v_prediction")));
  EXPECT_THAT(message_of_error(ExitCode::kUsage,
                               [] { schedule_of(with(""), {.zero_terminal_snr = ZeroSnrWish::kOn}); }),
              HasSubstr("zero terminal SNR on (--zero-terminal-snr)"));
}

TEST(NoiseSchedule, RefusesWhatItDoesNotKnow) {
  const auto refusal = [](const std::string& json) {
    return message_of_error(ExitCode::kBadData, [&] { schedule_of(json); });
  };
  EXPECT_THAT(refusal(with(R"(, "prediction_type": "sample")")), HasSubstr("give --prediction-type"));
  EXPECT_THAT(refusal(R"({"beta_schedule": "sigmoid"})"), HasSubstr("squaredcos_cap_v2"));
  for (const char* json : {R"({"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0})",
                           R"({"prediction_type": "flow_prediction"})", R"({"use_flow_sigmas": true})"})
    EXPECT_THAT(refusal(json), HasSubstr("flow matching belongs to other families"));
}

TEST(NoiseSchedule, RefusesNumbersThatMakeNoSchedule) {
  for (const char* json : {R"({"num_train_timesteps": 99999999})", R"({"beta_start": -0.1})",
                           R"({"beta_end": 1})", R"({"beta_end": 1e300})"})
    EXPECT_THROW(schedule_of(json), Error) << json;
}

}  // namespace
}  // namespace sdlora::model
