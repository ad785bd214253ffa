#include "model/kernels/geglu.h"

#include <cmath>
#include <limits>
#include <numbers>
#include <tuple>
#include <vector>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "model/kernels/float_functions.h"
#include "tests/support/random_values.h"
#include "tests/support/relative_error.h"

namespace sdlora::model::kernels {
namespace {

// Shape of the input, type.
class GegluOfOurOwn : public testing::TestWithParam<std::tuple<std::vector<int64_t>, at::ScalarType>> {};

TEST_P(GegluOfOurOwn, ComputesWhatAtenComputesInDoubleBothWays) {
  const auto& [shape, type] = GetParam();
  const double allowed = type == at::kFloat ? 1e-6 : 5e-3;
  const at::Tensor x = (3 * random_values(shape, 1)).to(type).set_requires_grad(true);
  const at::Tensor y = geglu(x);
  const at::Tensor x2 = x.detach().to(at::kDouble).set_requires_grad(true);
  const auto halves = x2.chunk(2, -1);
  const at::Tensor expected = halves[0] * at::gelu(halves[1]);
  EXPECT_LT(relative_error(y, expected), allowed);

  const at::Tensor dy = random_values(y.sizes(), 2).to(type);
  y.backward(dy);
  expected.backward(dy.to(at::kDouble));
  EXPECT_LT(relative_error(x.grad(), x2.grad()), allowed);
}

INSTANTIATE_TEST_SUITE_P(Cases, GegluOfOurOwn,
                         testing::Combine(testing::Values(std::vector<int64_t>{1, 64, 2560},
                                                          std::vector<int64_t>{2, 7, 34},
                                                          std::vector<int64_t>{3, 2}),
                                          testing::Values(at::kFloat, at::kBFloat16)));

TEST(GegluOfOurOwn, PassesNanOnBothWays) {
  const at::Tensor x = at::ones({1, 4});
  x[0][2] = std::numeric_limits<float>::quiet_NaN();
  x.set_requires_grad(true);
  const at::Tensor y = geglu(x);
  EXPECT_TRUE(y[0][0].isnan().item<bool>());
  EXPECT_TRUE(y[0][1].isfinite().item<bool>());
  y.sum().backward();
  EXPECT_TRUE(x.grad()[0][0].isnan().item<bool>() && x.grad()[0][2].isnan().item<bool>());
}

TEST(FloatFunctions, AreThoseOfTheLibraryToTheirRounding) {
  for (int i = -9000; i <= 9000; ++i) {
    const float x = static_cast<float>(i) / 1000;
    const double exact = x;
    EXPECT_NEAR(exponential(x) / std::exp(exact), 1, 2.4e-7 + 1e-7 * std::abs(exact)) << x;
    EXPECT_NEAR(sigmoid(x), 1 / (1 + std::exp(-exact)), 2e-7) << x;
    const double cumulative = std::erfc(-exact * std::numbers::sqrt2 / 2) / 2;
    EXPECT_NEAR(normal(x).cumulative, cumulative, 2e-7) << x;
    if (i < 0 && i > -6000) {
      EXPECT_NEAR(normal(x).cumulative / cumulative, 1, 3e-6) << x;
    }
    EXPECT_NEAR(normal(x).density,
                std::exp(-exact * exact / 2) / std::numbers::sqrt2 * std::numbers::inv_sqrtpi, 2e-7)
        << x;
  }
}

TEST(FloatFunctions, HaveTheirLimitsAndPassNanOn) {
  const float infinity = std::numeric_limits<float>::infinity(), nan = std::nanf("");
  EXPECT_EQ(exponential(-infinity), 0);
  EXPECT_EQ(exponential(-100), 0);
  EXPECT_GT(exponential(1000), 1e37F);
  EXPECT_EQ(sigmoid(infinity), 1);
  EXPECT_LT(sigmoid(-infinity), 1e-37F);
  EXPECT_EQ(normal(-50).cumulative, 0);
  EXPECT_EQ(normal(50).cumulative, 1);
  EXPECT_TRUE(std::isnan(exponential(nan)));
  EXPECT_TRUE(std::isnan(sigmoid(nan)));
  EXPECT_TRUE(std::isnan(normal(nan).cumulative));
}

}  // namespace
}  // namespace sdlora::model::kernels
