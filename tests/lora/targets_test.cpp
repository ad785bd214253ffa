#include "lora/targets.h"

#include <gtest/gtest.h>

#include "common/error.h"
#include "lora/names/model_modules.h"

namespace sdlora::lora {
namespace {

const std::string kBlock = "down_blocks.1.attentions.0.transformer_blocks.0.";

TEST(Targets, AttnMeansTheFourProjectionsOfBothAttentions) {
  const Targets attn("attn");
  for (const char* name : {"attn1.to_q", "attn1.to_out.0", "attn2.to_k", "attn2.to_v"})
    EXPECT_TRUE(attn.contains(kBlock + name)) << name;
  for (const char* name : {"ff.net.0.proj", "ff.net.2"}) EXPECT_FALSE(attn.contains(kBlock + name)) << name;
  EXPECT_FALSE(attn.contains("down_blocks.1.attentions.0.proj_in"));
}

TEST(Targets, AttnMlpAddsTheFeedForwardAndTheProjectionsAround) {
  const Targets attn_mlp("attn-mlp");
  for (const char* name : {"attn1.to_q", "ff.net.0.proj", "ff.net.2"})
    EXPECT_TRUE(attn_mlp.contains(kBlock + name)) << name;
  EXPECT_TRUE(attn_mlp.contains("mid_block.attentions.0.proj_out"));
  EXPECT_FALSE(attn_mlp.contains("down_blocks.0.resnets.0.time_emb_proj"));
}

// kohya.md 5.1: of SD 1.5.
TEST(Targets, AreAsManyModulesAsOfPeftAndKohya) {
  for (const auto& [name, count] :
       std::map<std::string, int>{{"attn", 128}, {"attn-mlp", 192}, {"full", 278}}) {
    const Targets targets(name);
    int found = 0;
    for (const ModelModule& module : modules_of(standard_unet(/*is_sd2=*/false)))
      if (targets.contains(module.path)) ++found;
    EXPECT_EQ(found, count) << name;
  }
}

TEST(Targets, FullAddsTheResidualBlocksAndWhatChangesTheResolution) {
  const Targets full("full");
  for (const char* path : {"down_blocks.0.resnets.0.conv1", "mid_block.resnets.1.time_emb_proj",
                           "up_blocks.3.resnets.2.conv_shortcut", "down_blocks.0.downsamplers.0.conv",
                           "up_blocks.0.upsamplers.0.conv", "mid_block.attentions.0.proj_in"})
    EXPECT_TRUE(full.contains(path)) << path;
  for (const char* path : {"conv_in", "conv_out", "time_embedding.linear_1", "down_blocks.0.resnets.0.norm1"})
    EXPECT_FALSE(full.contains(path)) << path;
}

TEST(Targets, TakeARegularExpressionOnThePath) {
  const Targets mid("^mid_block.*attn2");
  EXPECT_TRUE(mid.contains("mid_block.attentions.0.transformer_blocks.0.attn2.to_q"));
  EXPECT_FALSE(mid.contains(kBlock + "attn2.to_q"));
}

TEST(Targets, RefuseAMalformedExpression) {
  try {
    Targets broken("attn[");
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::kUsage);
    EXPECT_NE(std::string(error.what()).find("attn["), std::string::npos);
  }
}

}  // namespace
}  // namespace sdlora::lora
