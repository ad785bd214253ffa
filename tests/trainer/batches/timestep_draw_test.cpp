#include "trainer/batches/timestep_draw.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "common/seeds.h"
#include "tests/support/error_of.h"

namespace sdlora::trainer {
namespace {

using testing::HasSubstr;

constexpr int64_t kCount = 1000;  // timesteps

// How often each was drawn.
at::Tensor drawn_counts(const TimestepOptions& options, int64_t draw_count) {
  const TimestepDraw draw(options, kCount);
  at::Tensor counts = at::zeros({kCount}, at::kLong);
  for (int64_t i = 0; i < draw_count; ++i) {
    const at::Tensor timestep = draw.draw(generator_for(static_cast<uint64_t>(i)));
    EXPECT_EQ(timestep.sizes(), at::IntArrayRef({1}));
    counts[timestep.item<int64_t>()] += 1;
  }
  return counts;
}

TEST(TimestepDraw, IsUniformAsLongAsNothingIsAskedFor) {
  const TimestepDraw draw({}, kCount);
  for (uint64_t seed = 0; seed < 100; ++seed)
    EXPECT_TRUE(
        at::equal(draw.draw(generator_for(seed)), at::randint(kCount, {1}, generator_for(seed), at::kLong)));
}

TEST(TimestepDraw, StaysWithinItsBounds) {
  for (const TimestepSampling sampling : {TimestepSampling::kUniform, TimestepSampling::kLogitNormal,
                                          TimestepSampling::kSigmoid, TimestepSampling::kCosMap}) {
    const at::Tensor counts =
        drawn_counts({.least = 400, .bound = 404, .sampling = sampling, .weight = 3}, 200);
    EXPECT_EQ(counts.sum().item<int64_t>(), counts.slice(0, 400, 404).sum().item<int64_t>());
    EXPECT_GT(counts.slice(0, 400, 404).min().item<int64_t>(), 0) << static_cast<int>(sampling);
  }
}

// OneTrainer's numbers, of its ModelSetupNoiseMixin with 1,000 timesteps.
TEST(TimestepDraw, HasOneTrainersChances) {
  const TimestepDraw cos_map({.sampling = TimestepSampling::kCosMap}, kCount);
  const TimestepDraw sigmoid({.sampling = TimestepSampling::kSigmoid, .weight = 10}, kCount);
  const std::vector<std::pair<int64_t, std::array<double, 2>>> expected{
      {0, {.63662, .00669}}, {250, {1.01900, .07603}}, {500, {1.27324, .50125}}, {999, {.63662, .99331}}};
  for (const auto& [place, chances] : expected) {
    EXPECT_NEAR(cos_map.chances()[place].item<double>(), chances[0], 5e-6) << place;
    EXPECT_NEAR(sigmoid.chances()[place].item<double>(), chances[1], 5e-6) << place;
  }
}

TEST(TimestepDraw, MakesOneTrainersTimestepOfANormalDraw) {
  const TimestepDraw draw({.sampling = TimestepSampling::kLogitNormal}, kCount);
  EXPECT_EQ(draw.logit_normal_timestep(-1), 268);
  EXPECT_EQ(draw.logit_normal_timestep(0), 500);
  EXPECT_EQ(draw.logit_normal_timestep(1), 731);
  EXPECT_EQ(draw.logit_normal_timestep(99), 999);
  EXPECT_EQ(draw.logit_normal_timestep(-99), 0);
}

TEST(TimestepDraw, DrawsByItsChances) {
  const TimestepOptions options{.sampling = TimestepSampling::kSigmoid, .bias = 0.1, .weight = 8};
  const int64_t draw_count = 4000;
  const at::Tensor counts = drawn_counts(options, draw_count).to(at::kDouble);
  const at::Tensor chances = TimestepDraw(options, kCount).chances();
  const at::Tensor expected = chances / chances.sum();
  for (int64_t tenth = 0; tenth < 10; ++tenth) {
    const double seen = counts.slice(0, tenth * 100, (tenth + 1) * 100).sum().item<double>();
    const double share = expected.slice(0, tenth * 100, (tenth + 1) * 100).sum().item<double>();
    const double deviation = std::sqrt(static_cast<double>(draw_count) * share * (1 - share));
    EXPECT_NEAR(seen, static_cast<double>(draw_count) * share, 4 * deviation + 1) << tenth;
  }
}

TEST(TimestepDraw, IsOfAllTheTimestepsOfASchedule) {
  const TimestepDraw of_many({.sampling = TimestepSampling::kLogitNormal}, 4000);
  EXPECT_EQ(of_many.logit_normal_timestep(99), 3999);
  const TimestepDraw of_some({.least = 3990, .sampling = TimestepSampling::kLogitNormal}, 4000);
  EXPECT_EQ(of_some.logit_normal_timestep(-99), 3990);
  EXPECT_EQ(of_some.logit_normal_timestep(99), 3999);
}

TEST(TimestepDraw, RefusesTimestepsThatThereAreNot) {
  EXPECT_THAT(error_of([] { TimestepDraw({.bound = 1001}, kCount); }),
              HasSubstr("64 the model has no such timesteps"));
  EXPECT_THAT(error_of([] { TimestepDraw({.least = 300}, 250); }), HasSubstr("some of 0 to 249"));
  EXPECT_THAT(error_of([] {
                TimestepDraw({.sampling = TimestepSampling::kSigmoid, .bias = 90, .weight = 900}, kCount);
              }),
              HasSubstr("64 no timestep has a chance"));
}

}  // namespace
}  // namespace sdlora::trainer
