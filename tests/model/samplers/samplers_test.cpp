#include <fstream>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "common/error.h"
#include "common/seeds.h"
#include "model/samplers/sampler_request.h"

namespace sdlora::model {
namespace {

// A model of a world with one picture: it knows the noise of any x exactly, so that every sampler must end at
// the picture.
class OnePictureWorld {
 public:
  explicit OnePictureWorld(const std::string& more_of_the_file = "") : config_(write(more_of_the_file)) {}

  std::unique_ptr<const Sampler> make(const SamplerRequest& request) const {
    return make_sampler(request, config_, NoiseSchedule(config_));
  }

  Sampler::Denoiser model(std::vector<double>* asked = nullptr) const {
    const NoiseSchedule schedule(config_);
    return [this, schedule, asked](const at::Tensor& x, double timestep) {
      if (asked) asked->push_back(timestep);
      const at::Tensor t = at::full({1}, static_cast<int64_t>(timestep), at::kLong);
      const at::Tensor alpha = schedule.alphas_cumprod().index_select(0, t);
      const at::Tensor noise = (x - alpha.sqrt() * picture) / (1 - alpha).sqrt();
      return schedule.target(picture, noise, t);
    };
  }

  const at::Tensor picture = at::linspace(-1, 1, 60).view({1, 4, 3, 5});

 private:
  static std::string write(const std::string& more) {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    const std::string file = testing::TempDir() + "samplers_test_" + test->name() + ".json";
    std::ofstream(file) << R"({"num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012,
      "beta_schedule": "scaled_linear", "clip_sample": false, "steps_offset": 1)"
                        << more << "}";
    return file;
  }

  ModelConfig config_;
};

at::Tensor noise_of(uint64_t seed) {
  return at::randn({1, 4, 3, 5}, generator_for(seed), at::kFloat);
}

at::Tensor run(const OnePictureWorld& world, const SamplerRequest& request, int64_t first_step = 0) {
  const auto sampler = world.make(request);
  const at::Tensor start = first_step == 0 ? sampler->start_from_noise(noise_of(1))
                                           : sampler->add_noise(world.picture, noise_of(1), first_step);
  uint64_t seed = 2;
  return sampler->sample(start, first_step, world.model(), [&] { return noise_of(seed++); });
}

double error_of(const at::Tensor& seen, const at::Tensor& expected) {
  return (seen - expected).abs().max().item<double>();
}

// Timesteps whole, so that the world knows their noise level.
constexpr const char* kWhole = R"(, "timestep_spacing": "trailing")";

TEST(Samplers, EndAtThePictureOfAModelThatKnowsNoOther) {
  const OnePictureWorld world(kWhole);
  for (const std::string& name : sampler_names())
    for (const int64_t steps : {1, 2, 4, 10, 20, 25})  // they divide 1000, so that DDIM ends without noise
      EXPECT_LT(error_of(run(world, {.name = name, .step_count = steps}), world.picture), 2e-4)
          << name << " " << steps;
}

TEST(Samplers, DoTheSameForVelocityAsForNoise) {
  const OnePictureWorld noise(kWhole);
  for (const std::string& name : sampler_names()) {
    const at::Tensor of_noise = run(noise, {.name = name, .step_count = 10});
    const OnePictureWorld velocity(fmt::format(R"({}, "prediction_type": "v_prediction")", kWhole));
    EXPECT_LT(error_of(run(velocity, {.name = name, .step_count = 10}), of_noise), 2e-4) << name;
  }
}

TEST(Samplers, StartImageToImageWithinTheTable) {
  const OnePictureWorld world(kWhole);
  for (const std::string& name : sampler_names()) {
    std::vector<double> asked_all, asked_late;
    const auto sampler = world.make({.name = name, .step_count = 10});
    const auto draw = [] { return noise_of(3); };
    sampler->sample(noise_of(1), 0, world.model(&asked_all), draw);
    sampler->sample(noise_of(1), 4, world.model(&asked_late), draw);
    ASSERT_EQ(asked_late.size(), 6U);
    EXPECT_EQ(asked_late, std::vector<double>(asked_all.begin() + 4, asked_all.end())) << name;
  }
}

TEST(Samplers, ServeSeveralRunsWithoutMemoryOfTheFirst) {
  const OnePictureWorld world;
  const auto sampler = world.make({.name = "dpmpp_2m", .step_count = 8});
  const auto once = [&] { return sampler->sample(noise_of(5), 0, world.model(), {}); };
  const at::Tensor first = once();
  EXPECT_TRUE(at::equal(first, once()));
}

TEST(Samplers, AskKarrasSigmasForMoreStepsNearTheEnd) {
  const OnePictureWorld world;
  std::vector<double> plain, karras;
  world.make({.step_count = 20})->sample(noise_of(1), 0, world.model(&plain), {});
  world.make({.step_count = 20, .uses_karras_sigmas = true})
      ->sample(noise_of(1), 0, world.model(&karras), {});
  EXPECT_EQ(karras.front(), 999);
  EXPECT_EQ(karras.back(), 0);
  EXPECT_LT(karras[15], plain[15]);
}

void expect_refused(const OnePictureWorld& world, const SamplerRequest& request, ExitCode exit_code,
                    const std::string& part) {
  try {
    world.make(request);
    ADD_FAILURE() << "not refused: " << part;
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), exit_code) << error.what();
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

TEST(Samplers, RefuseWhatTheyCannotDo) {
  const OnePictureWorld plain;
  expect_refused(plain, {.name = "plms"}, ExitCode::kUsage, "plms");
  expect_refused(plain, {.name = "ddim", .uses_karras_sigmas = true}, ExitCode::kUsage, "ddim");
  for (const std::string& name : sampler_names()) {
    expect_refused(plain, {.name = name, .step_count = 0}, ExitCode::kUsage, "0");
    expect_refused(plain, {.name = name, .step_count = 1001}, ExitCode::kUsage, "1001");
  }
}

TEST(Samplers, NameTheKeyOfTheFileThatTheyDoNotKnow) {
  const auto expect_bad_file = [](const std::string& more, const std::string& key) {
    expect_refused(OnePictureWorld(more), {}, ExitCode::kBadData, key);
  };
  const auto expect_only_dpm_refuses = [&](const std::string& more, const std::string& key) {
    expect_bad_file(more, key);
    expect_refused(OnePictureWorld(more), {}, ExitCode::kBadData, "--sampler ddim or euler_a");
    for (const char* name : {"ddim", "euler_a"})
      EXPECT_TRUE(OnePictureWorld(more).make({.name = name})) << key;
  };
  expect_bad_file(R"(, "timestep_spacing": "logarithmic")", "timestep_spacing");
  expect_only_dpm_refuses(R"(, "solver_order": 3)", "solver_order");
  expect_only_dpm_refuses(R"(, "solver_type": "rk4")", "solver_type");
  expect_only_dpm_refuses(R"(, "algorithm_type": "sde-dpmsolver++")", "algorithm_type");
  expect_only_dpm_refuses(R"(, "final_sigmas_type": "half")", "final_sigmas_type");
  expect_only_dpm_refuses(R"(, "use_lu_lambdas": true)", "use_lu_lambdas");
  for (const char* name : {"dpmpp_2m", "ddim"})
    expect_refused(OnePictureWorld(R"(, "thresholding": true)"), {.name = name}, ExitCode::kBadData,
                   "--sampler euler_a");
  EXPECT_TRUE(OnePictureWorld(R"(, "thresholding": true)").make({.name = "euler_a"}));
}

TEST(Samplers, TakeTheLinesOfAFileThatChangeNothing) {
  for (
      const char* more :
      {R"(, "_class_name": "DPMSolverMultistepScheduler", "lambda_min_clipped": -Infinity)",
       R"(, "_class_name": "DDPMScheduler", "variance_type": "fixed_small", "clip_sample_range": 1.0)",
       R"(, "variance_type": "learned_range", "trained_betas": null, "some_key_of_tomorrow": [1, {"a": NaN}])"})
    for (const std::string& name : sampler_names())
      EXPECT_TRUE(OnePictureWorld(more).make({.name = name})) << more;
}

TEST(Samplers, StayFiniteWhereTheTerminalSnrIsZero) {
  for (const char* spacing : {"trailing", "linspace", "leading"}) {
    const OnePictureWorld world(fmt::format(
        R"(, "timestep_spacing": "{}", "prediction_type": "v_prediction", "rescale_betas_zero_snr": true)",
        spacing));
    for (const std::string& name : sampler_names())
      for (const bool has_karras : {false, true}) {
        if (has_karras && name != "dpmpp_2m") continue;
        const auto sampler = world.make({.name = name, .step_count = 10, .uses_karras_sigmas = has_karras});
        const at::Tensor end = sampler->sample(
            sampler->start_from_noise(noise_of(1)), 0,
            [](const at::Tensor& x, double timestep) { return at::sin(x + timestep); },
            [] { return noise_of(3); });
        EXPECT_TRUE(at::isfinite(end).all().item<bool>()) << name << " " << spacing;
      }
  }
}

TEST(Samplers, BeginWhereLambdaIsNotClipped) {
  std::vector<double> asked;
  const OnePictureWorld world(R"(, "beta_schedule": "squaredcos_cap_v2", "lambda_min_clipped": -5.1)");
  world.make({.step_count = 10})->sample(noise_of(1), 0, world.model(&asked), {});
  EXPECT_LT(asked.front(), 999);
  EXPECT_GT(asked.front(), 980);
  expect_refused(OnePictureWorld(R"(, "lambda_min_clipped": 100)"), {}, ExitCode::kBadData,
                 "lambda_min_clipped");
}

}  // namespace
}  // namespace sdlora::model
