#include "lora/rounded_parameters.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "common/seeds.h"

namespace sdlora::lora {
namespace {

at::Tensor random_parameters() {
  return at::randn({40}, generator_for(1), at::kFloat);
}

TEST(RoundedParameters, AreWhatAViewRoundsTo) {
  const at::Tensor parameters = random_parameters();
  for (const at::ScalarType type : {at::kBFloat16, at::kHalf}) {
    RoundedParameters rounded(parameters);
    for (const at::Tensor& view : {parameters.narrow(0, 0, 12).view({3, 4}),
                                   parameters.narrow(0, 12, 10).view({5, 2}), parameters.narrow(0, 39, 1)}) {
      EXPECT_EQ(rounded.of(view, type).scalar_type(), type);
      EXPECT_TRUE(at::equal(rounded.of(view, type), view.to(type)));
    }
  }
}

TEST(RoundedParameters, AreTheParametersThemselvesInF32) {
  const at::Tensor parameters = random_parameters();
  RoundedParameters rounded(parameters);
  EXPECT_EQ(rounded.of(parameters, at::kFloat).const_data_ptr(), parameters.const_data_ptr());
}

TEST(RoundedParameters, FollowWhatChangesInPlaceAlsoThroughAView) {
  at::Tensor parameters = random_parameters();
  RoundedParameters rounded(parameters);
  const at::Tensor view = parameters.narrow(0, 5, 10);
  const at::Tensor seen = rounded.of(view, at::kBFloat16);
  parameters.narrow(0, 5, 5).add_(1);
  EXPECT_FALSE(at::equal(seen, view.to(at::kBFloat16)));
  rounded.refresh();
  EXPECT_TRUE(at::equal(seen, view.to(at::kBFloat16)));  // in the same memory
  parameters.mul_(2);
  EXPECT_TRUE(at::equal(rounded.of(view, at::kBFloat16), view.to(at::kBFloat16)));
}

TEST(RoundedParameters, AreRoundedOnceAChange) {
  const at::Tensor parameters = random_parameters();
  RoundedParameters rounded(parameters);
  at::Tensor copy = rounded.of(parameters, at::kBFloat16);
  copy.fill_(3);  // seen only as long as nothing is rounded anew
  EXPECT_TRUE(rounded.of(parameters, at::kBFloat16).eq(3).all().item<bool>());
}

}  // namespace
}  // namespace sdlora::lora
