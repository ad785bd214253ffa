#include "lora/tools/merge.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "common/seeds.h"
#include "tests/support/error_of.h"

namespace sdlora::lora {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

const std::string kLinear = "mid_block.attentions.0.transformer_blocks.0.attn1.to_q";
const std::string kOther = "mid_block.attentions.0.transformer_blocks.0.attn1.to_k";
constexpr int64_t kSide = 1280;

LowRankPair drawn_pair(uint64_t seed, int64_t rank, double alpha, int64_t side = kSide) {
  at::Generator draws = generator_for(seed);
  return {.a = at::randn({rank, side}, draws, at::kFloat),
          .b = at::randn({side, rank}, draws, at::kFloat),
          .alpha = alpha,
          .tensor_names = {}};
}

AdapterFile file_with(const std::string& name, const LowRankPairs& pairs) {
  AdapterFile adapter;
  adapter.file = name;
  adapter.naming = "kohya";
  adapter.unet = pairs;
  return adapter;
}

at::Tensor change_of(const LowRankPair& pair) {
  return at::mm(pair.b, pair.a) * pair.scale();
}

class Merge : public testing::Test {
 protected:
  LowRankPair first_ = drawn_pair(1, 2, 6), second_ = drawn_pair(2, 3, 1);
  AdapterFile one_ = file_with("one.safetensors", {{kLinear, first_}});
  AdapterFile two_ = file_with("two.safetensors", {{kLinear, second_}, {kOther, second_}});
};

TEST_F(Merge, AddsUpExactlyWhateverTheRanks) {
  const Merged result = merged({{one_, 0.7}, {two_, -0.3}}, std::nullopt);
  const LowRankPair& both = result.adapter.unet.at(kLinear);
  EXPECT_EQ(both.rank(), 5);
  const at::Tensor expected = 0.7 * change_of(first_) - 0.3 * change_of(second_);
  EXPECT_LT((change_of(both) - expected).norm().item<double>(), 1e-5 * expected.norm().item<double>());
  EXPECT_EQ(result.adapter.unet.at(kOther).rank(), 3);
  EXPECT_EQ(result.lost_share, 0);
}

TEST_F(Merge, CutToARankLosesWhatTheSmallestSingularValuesMake) {
  const Merged result = merged({{one_, 1}, {two_, 1}}, 4);
  const LowRankPair& both = result.adapter.unet.at(kLinear);
  EXPECT_EQ(both.rank(), 4);
  const at::Tensor expected = change_of(first_) + change_of(second_);
  const double lost = (change_of(both) - expected).norm().item<double>();
  const double whole = std::hypot(expected.norm().item<double>(), change_of(second_).norm().item<double>());
  EXPECT_NEAR(result.lost_share, lost / whole, 1e-4);
}

TEST_F(Merge, TakesOtherKindsWhereARankIsGiven) {
  const at::Tensor difference = at::mm(second_.b, second_.a);
  one_.others[kLinear] = {
      .weight = additive_change("LoHa", kSide, kSide, [difference] { return difference; }),
      .bias = {},
      .tensor_names = {"x"}};
  one_.unet.clear();
  EXPECT_THAT(error_of([&] {
                merged({{one_, 1}, {two_, 1}}, std::nullopt);
              }),
              AllOf(StartsWith("65 "), HasSubstr("LoHa"), HasSubstr("one.safetensors"), HasSubstr("--rank")));
  const Merged result = merged({{one_, 2}, {two_, 1}}, 3);
  const at::Tensor expected = 2 * difference + change_of(second_);
  const at::Tensor seen = change_of(result.adapter.unet.at(kLinear));
  EXPECT_LT((seen - expected).norm().item<double>(), 1e-5 * expected.norm().item<double>());
}

TEST_F(Merge, RefusesWhatDependsOnTheModel) {
  one_.others[kLinear] = {
      .weight = matrix_change("DoRA", kSide, kSide, {}), .bias = {}, .tensor_names = {"x"}};
  EXPECT_THAT(error_of([&] {
                merged({{one_, 1}, {two_, 1}}, 4);
              }),
              AllOf(StartsWith("65 "), HasSubstr("DoRA in " + kLinear)));
}

TEST_F(Merge, RefusesAdaptersForDifferentModels) {
  const AdapterFile other = file_with("other.safetensors", {{kLinear, drawn_pair(3, 2, 1, 320)}});
  EXPECT_THAT(error_of([&] {
                merged({{one_, 1}, {other, 1}}, std::nullopt);
              }),
              AllOf(StartsWith("65 "), HasSubstr("other.safetensors"), HasSubstr("[320, 320]")));
  one_.context_channels = 768;
  two_.context_channels = 1024;
  EXPECT_THAT(error_of([&] {
                merged({{one_, 1}, {two_, 1}}, std::nullopt);
              }),
              AllOf(StartsWith("65 "), HasSubstr("1024"), HasSubstr("768")));
}

TEST_F(Merge, SaysOfWhatItIsMadeAndOnlyWhatAllSay) {
  one_.metadata = {{"ss_base_model_version", "sd_v1"}, {"ss_steps", "100"}, {"modelspec.title", "Ink"}};
  two_.metadata = {{"ss_base_model_version", "sd_v1"}, {"ss_steps", "500"}};
  const checkpoint::Metadata metadata = merged({{one_, 0.5}, {two_, 1}}, std::nullopt).adapter.metadata;
  EXPECT_EQ(metadata.at("ss_base_model_version"), "sd_v1");
  EXPECT_FALSE(metadata.contains("ss_steps"));
  EXPECT_EQ(metadata.at("modelspec.merged_from"), "Ink, two");
  EXPECT_EQ(metadata.at("ss_training_comment"), "merged: one.safetensors:0.5 + two.safetensors:1.0");
}

}  // namespace
}  // namespace sdlora::lora
