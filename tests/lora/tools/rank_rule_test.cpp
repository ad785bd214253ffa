#include "lora/tools/rank_rule.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace sdlora::lora {
namespace {

int64_t rank_of(DynamicRank rule, double x, int64_t most = 100) {
  const at::Tensor s = at::tensor({10.0, 5.0, 2.0, 1.0, 0.5, 0.1, 0.0, 0.0}, at::kDouble);
  return rank_by({.most = most, .dynamic = rule, .x = x}, s, /*full_rank=*/8);
}

// What sd-scripts' resize_lora.py makes of these singular values.
TEST(RankRule, GivesTheRanksOfSdScripts) {
  EXPECT_EQ(rank_of(DynamicRank::kRatio, 2), 2);
  EXPECT_EQ(rank_of(DynamicRank::kRatio, 4), 3);
  EXPECT_EQ(rank_of(DynamicRank::kRatio, 5), 3);
  EXPECT_EQ(rank_of(DynamicRank::kRatio, 20), 5);
  EXPECT_EQ(rank_of(DynamicRank::kCumulative, 0.5), 2);
  EXPECT_EQ(rank_of(DynamicRank::kCumulative, 0.8), 3);
  EXPECT_EQ(rank_of(DynamicRank::kCumulative, 0.9), 4);
  EXPECT_EQ(rank_of(DynamicRank::kCumulative, 0.97), 6);
  EXPECT_EQ(rank_of(DynamicRank::kFrobenius, 0.9), 3);
  EXPECT_EQ(rank_of(DynamicRank::kFrobenius, 0.98), 4);
  EXPECT_EQ(rank_of(DynamicRank::kFrobenius, 0.99), 4);
}

TEST(RankRule, NeverGivesMoreThanIsAllowedOrTheWeightHas) {
  EXPECT_EQ(rank_of(DynamicRank::kRatio, 20, /*most=*/4), 4);
  EXPECT_EQ(rank_of(DynamicRank::kRatio, 1e9), 7);
  EXPECT_EQ(rank_by({.most = 16}, at::ones({16}), /*full_rank=*/3), 3);
  EXPECT_EQ(rank_by({.most = 16}, at::ones({16}), /*full_rank=*/320), 16);
}

TEST(RankRule, GivesOneWhereThereIsNothing) {
  EXPECT_EQ(rank_by({.most = 16, .dynamic = DynamicRank::kCumulative, .x = 0.9}, at::zeros({8}), 8), 1);
}

}  // namespace
}  // namespace sdlora::lora
