#include "model/loading/finite_values.h"

#include <limits>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace sdlora::model {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

TEST(FiniteValues, CountsNanAndInfinityInEveryType) {
  for (const at::ScalarType type : {at::kFloat, at::kHalf, at::kBFloat16, at::kDouble}) {
    at::Tensor values = at::linspace(-60'000, 60'000, 1'000'003, at::kFloat).to(type);
    EXPECT_EQ(count_nonfinite(values), 0) << type;
    for (const int64_t place : {0, 500'000, 1'000'001, 1'000'002}) values[place] = kInfinity;
    values[7] = -kInfinity;
    values[8] = std::numeric_limits<float>::quiet_NaN();
    EXPECT_EQ(count_nonfinite(values), 6) << type;
    EXPECT_EQ(count_nonfinite(at::full({300'000}, kInfinity).to(type)), 300'000) << type;
  }
}

TEST(FiniteValues, TakesTheGreatestAndTheLeastNumbersAsTheyAre) {
  const at::Tensor values =
      at::tensor({std::numeric_limits<float>::max(), std::numeric_limits<float>::lowest(),
                  std::numeric_limits<float>::denorm_min(), 0.0F, -0.0F});
  EXPECT_EQ(count_nonfinite(values), 0);
  EXPECT_EQ(count_nonfinite(at::full({1}, 65504.0, at::kHalf)), 0);
  EXPECT_EQ(count_nonfinite(at::empty({0})), 0);
}

}  // namespace
}  // namespace sdlora::model
