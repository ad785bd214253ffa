#include "lora/targets.h"

#include <gtest/gtest.h>

#include "common/error.h"

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
