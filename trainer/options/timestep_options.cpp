#include "trainer/options/timestep_options.h"

#include <fmt/format.h>

#include "common/error.h"

namespace sdlora::trainer {
namespace {

constexpr int64_t kMostTimesteps = 1'000'000;
constexpr double kGreatestBias = 100, kGreatestWeight = 1000;

}  // namespace

Words<TimestepSampling> timestep_sampling_words() {
  return {{"uniform", TimestepSampling::kUniform},
          {"logit_normal", TimestepSampling::kLogitNormal},
          {"sigmoid", TimestepSampling::kSigmoid},
          {"cos_map", TimestepSampling::kCosMap}};
}

void TimestepOptions::declare(OptionGroup group) {
  group.add("min-timestep", least, Scope::kResult, "the least timestep that is trained")
      .between(0, kMostTimesteps - 1);
  group
      .add("max-timestep", bound, Scope::kResult,
           "timesteps from here on are not trained; auto: all that the model has, usually 1000")
      .auto_is_zero()
      .between(0, kMostTimesteps);
  group
      .add("timestep-sampling", sampling, Scope::kResult,
           "how often each is: uniform; logit_normal, those in the middle more often; sigmoid, rising; "
           "cos_map, the middle at most twice")
      .one_of(timestep_sampling_words());
  group
      .add("timestep-bias", bias, Scope::kResult,
           "of logit_normal: its mean; of sigmoid: how far its middle is from the middle, in lengths")
      .between(-kGreatestBias, kGreatestBias);
  group
      .add("timestep-weight", weight, Scope::kResult,
           "of logit_normal: its deviation is so much above 1; of sigmoid: how steep it is")
      .between(-kGreatestWeight, kGreatestWeight);
}

void TimestepOptions::check() const {
  if (bound != 0 && least >= bound)
    throw Error(ExitCode::kUsage, {.what = "there is no timestep to train",
                                   .expected = "--min-timestep below --max-timestep",
                                   .seen = fmt::format("{} and {}", least, bound)});
  if (sampling == TimestepSampling::kLogitNormal && weight <= -1)
    throw Error(ExitCode::kUsage, {.what = "the deviation of logit_normal must be above 0",
                                   .expected = "--timestep-weight above -1",
                                   .seen = fmt::format("{:g}", weight)});
}

}  // namespace sdlora::trainer
