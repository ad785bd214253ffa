#include "model/noise/noise_schedule.h"

#include <cmath>
#include <fstream>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "common/error.h"
#include "common/seeds.h"

namespace sdlora::model {
namespace {

NoiseSchedule schedule_of(const std::string& json) {
  const std::string path = testing::TempDir() + "noise_schedule_test.json";
  std::ofstream(path) << json;
  return NoiseSchedule(ModelConfig(path));
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

TEST(NoiseSchedule, RefusesWhatItDoesNotKnow) {
  EXPECT_THROW(schedule_of(with(R"(, "prediction_type": "sample")")), Error);
  EXPECT_THROW(schedule_of(with(R"(, "rescale_betas_zero_snr": true)")), Error);
  EXPECT_THROW(schedule_of(R"({"beta_schedule": "squaredcos_cap_v2"})"), Error);
}

TEST(NoiseSchedule, RefusesNumbersThatMakeNoSchedule) {
  for (const char* json : {R"({"num_train_timesteps": 99999999})", R"({"beta_start": -0.1})",
                           R"({"beta_end": 1})", R"({"beta_end": 1e300})"})
    EXPECT_THROW(schedule_of(json), Error) << json;
}

}  // namespace
}  // namespace sdlora::model
