#include "lora/module_ranks.h"

#include <gmock/gmock.h>

#include "tests/support/error_of.h"

namespace sdlora::lora {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::string kQueryOfRanks = "mid_block.attentions.0.transformer_blocks.0.attn1.to_q";
const std::string kConvolutionPath = "down_blocks.1.resnets.0.conv1";

TEST(ModuleRanks, AreTheAdaptersOwnUnlessSomethingElseIsSaid) {
  ModuleRanks ranks({.rank = 16, .alpha = 8});
  for (const bool has_kernel : {false, true}) {
    EXPECT_EQ(ranks.of(kQueryOfRanks, has_kernel)->rank, 16);
    EXPECT_EQ(ranks.of(kQueryOfRanks, has_kernel)->alpha, 8);
  }
}

TEST(ModuleRanks, AreOthersForConvolutionsOverSeveralPixels) {
  ModuleRanks ranks({.rank = 16, .alpha = 8, .conv_rank = 4, .conv_alpha = 1});
  EXPECT_EQ(ranks.of(kConvolutionPath, true)->rank, 4);
  EXPECT_EQ(ranks.of(kConvolutionPath, true)->alpha, 1);
  EXPECT_EQ(ranks.of(kQueryOfRanks, false)->rank, 16);
}

TEST(ModuleRanks, AreThoseOfTheFirstPatternThatIsFound) {
  ModuleRanks ranks({.rank = 16,
                     .alpha = 8,
                     .rank_patterns = {R"(^mid_block\.=64:32)", R"(attn1=8)", "conv1=0", "nowhere=3"}});
  EXPECT_EQ(ranks.of(kQueryOfRanks, false)->rank, 64);
  EXPECT_EQ(ranks.of(kQueryOfRanks, false)->alpha, 32);
  EXPECT_EQ(ranks.of("up_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q", false)->rank, 8);
  EXPECT_EQ(ranks.of("up_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q", false)->alpha, 8);
  EXPECT_FALSE(ranks.of(kConvolutionPath, true).has_value());
  EXPECT_THAT(ranks.unused_patterns(), ElementsAre("nowhere=3"));
}

TEST(ModuleRanks, TakeTheLastEqualsSignSoThatAPatternMayHaveSome) {
  ModuleRanks ranks({.rank_patterns = {"(?=mid)mid_block=2"}});
  EXPECT_EQ(ranks.of(kQueryOfRanks, false)->rank, 2);
}

// kohya.md 5.7: alpha 16 at rank 64 has scale 2, and is stored as alpha 128.
TEST(ModuleRanks, HaveWithRankStabilisationTheAlphaThatOverTheRankIsAlphaOverItsRoot) {
  ModuleRanks ranks({.rank = 64, .alpha = 16, .is_rank_stabilised = true});
  EXPECT_DOUBLE_EQ(ranks.of(kQueryOfRanks, false)->alpha, 128);
}

TEST(ModuleRanks, RefuseWhatCannotBeRead) {
  for (const char* text : {"attn1", "=4", "attn1=", "attn1=four", "attn1=-1", "attn1=5000",
                           "attn1=4:", "attn1=4:0", "attn1=4:nan", "attn1=4:8:9"}) {
    EXPECT_THAT(message_of_error(ExitCode::kUsage, [&] { ModuleRanks({.rank_patterns = {text}}); }),
                HasSubstr(text));
  }
  EXPECT_THAT(message_of_error(ExitCode::kUsage, [] { ModuleRanks({.rank_patterns = {"attn[=4"}}); }),
              HasSubstr("attn["));
}

}  // namespace
}  // namespace sdlora::lora
