#include "lora/branch_dropout.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace sdlora::lora {
namespace {

constexpr int64_t kTokensOfSample = 500, kRankOfBranch = 8;

at::Tensor draw_factors(const DropoutRates& rates, const std::vector<uint64_t>& sample_seeds,
                        size_t module = 0) {
  BranchDropout dropout(rates);
  const DroppingOut dropping(dropout, sample_seeds);
  return dropout.draw(module, kTokensOfSample, kRankOfBranch);
}

double kept_share(const at::Tensor& factors) {
  return (factors != 0).to(at::kDouble).mean().item<double>();
}

TEST(BranchDropout, IsOnOnlyWhileAMicroBatchIsTrainedOn) {
  BranchDropout dropout({.neuron = 0.5});
  EXPECT_FALSE(dropout.is_on());
  {
    const DroppingOut dropping(dropout, {1, 2});
    EXPECT_TRUE(dropout.is_on());
  }
  EXPECT_FALSE(dropout.is_on());
  const DroppingOut none(dropout, {});
  EXPECT_FALSE(dropout.is_on());
}

TEST(BranchDropout, DrawsOfASampleTheSameWhateverStandsBesideIt) {
  const DropoutRates rates{.neuron = 0.2, .rank = 0.3, .module = 0.1};
  EXPECT_TRUE(at::equal(draw_factors(rates, {5, 6, 7})[1], draw_factors(rates, {6})[0]));
  EXPECT_FALSE(at::equal(draw_factors(rates, {5})[0], draw_factors(rates, {6})[0]));
  EXPECT_FALSE(at::equal(draw_factors(rates, {6}, 1)[0], draw_factors(rates, {6}, 2)[0]));
}

TEST(BranchDropout, DropsNumbersAndMakesUpForThem) {
  const at::Tensor factors = draw_factors({.neuron = 0.2}, {1, 2, 3, 4});
  EXPECT_EQ(factors.sizes(), at::IntArrayRef({4, kTokensOfSample, kRankOfBranch}));
  EXPECT_NEAR(kept_share(factors), 0.8, 0.02);
  EXPECT_FLOAT_EQ(factors.max().item<float>(), 1 / 0.8F);
}

TEST(BranchDropout, DropsARankForAllTokensOfASample) {
  std::vector<uint64_t> seeds(400);
  for (size_t i = 0; i < seeds.size(); ++i) seeds[i] = i;
  const at::Tensor factors = draw_factors({.rank = 0.25}, seeds);
  EXPECT_EQ(factors.sizes(), at::IntArrayRef({400, 1, kRankOfBranch}));
  EXPECT_NEAR(kept_share(factors), 0.75, 0.03);
  EXPECT_FLOAT_EQ(factors.max().item<float>(), 1 / 0.75F);
}

TEST(BranchDropout, DropsWholeBranchesWithoutMakingUpForThem) {
  std::vector<uint64_t> seeds(1000);
  for (size_t i = 0; i < seeds.size(); ++i) seeds[i] = i;
  const at::Tensor factors = draw_factors({.module = 0.3}, seeds);
  EXPECT_NEAR(kept_share(factors), 0.7, 0.05);
  EXPECT_EQ(factors.max().item<float>(), 1);
  EXPECT_TRUE(at::equal(factors.amax(2), factors.amin(2))) << "a branch is kept or left out as a whole";
}

}  // namespace
}  // namespace sdlora::lora
