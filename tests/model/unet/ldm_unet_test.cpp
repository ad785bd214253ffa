// Names and structure of UNets in LDM's layout (ldm_unet_names.h, ldm_unet_structure.h).
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "model/unet/ldm_unet_names.h"
#include "model/unet/ldm_unet_structure.h"
#include "tests/support/error_of.h"

namespace sdlora::model {
namespace {

using testing::HasSubstr;

UNetConfig stable_diffusion_15() {
  return UNetConfig::read(ModelConfig(
      {{"block_out_channels", {320, 640, 1280, 1280}},
       {"down_block_types",
        {"CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"}},
       {"up_block_types", {"UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"}},
       {"cross_attention_dim", 768}},
      "config.json"));
}

TEST(LdmUnetNames, AreThoseOfStableDiffusionsBlocks) {
  const LdmUnetNames names(stable_diffusion_15());
  for (const auto& [ldm, diffusers] : std::map<std::string, std::string>{
           {"time_embed.0.weight", "time_embedding.linear_1.weight"},
           {"input_blocks.0.0.bias", "conv_in.bias"},
           {"out.0.weight", "conv_norm_out.weight"},
           {"out.2.weight", "conv_out.weight"},
           {"input_blocks.1.0.in_layers.0.weight", "down_blocks.0.resnets.0.norm1.weight"},
           {"input_blocks.3.0.op.weight", "down_blocks.0.downsamplers.0.conv.weight"},
           {"input_blocks.4.0.skip_connection.bias", "down_blocks.1.resnets.0.conv_shortcut.bias"},
           {"input_blocks.8.1.transformer_blocks.0.attn2.to_k.weight",
            "down_blocks.2.attentions.1.transformer_blocks.0.attn2.to_k.weight"},
           {"input_blocks.11.0.emb_layers.1.weight", "down_blocks.3.resnets.1.time_emb_proj.weight"},
           {"middle_block.1.proj_in.weight", "mid_block.attentions.0.proj_in.weight"},
           {"middle_block.2.out_layers.3.weight", "mid_block.resnets.1.conv2.weight"},
           {"output_blocks.2.1.conv.weight", "up_blocks.0.upsamplers.0.conv.weight"},
           {"output_blocks.5.2.conv.bias", "up_blocks.1.upsamplers.0.conv.bias"},
           {"output_blocks.11.1.norm.weight", "up_blocks.3.attentions.2.norm.weight"},
           {"output_blocks.6.0.out_layers.0.weight", "up_blocks.2.resnets.0.norm2.weight"}})
    EXPECT_EQ(names.diffusers_name(ldm), diffusers) << ldm;
}

TEST(LdmUnetNames, OfBlocksThatAreNotThereAreNone) {
  const LdmUnetNames names(stable_diffusion_15());
  for (const char* name :
       {"input_blocks.12.0.in_layers.0.weight", "input_blocks.10.1.norm.weight",
        "output_blocks.2.2.conv.weight", "input_blocks.1.0.in_layers.1.weight", "middle_block.3.norm.weight",
        "label_emb.0.0.weight", "input_blocks", "input_blocks.1", "", "out.1.weight"})
    EXPECT_EQ(names.diffusers_name(name), std::nullopt) << name;
}

// The shapes that tell the structure of a UNet with levels of 1 and 2 resnets, the second with attention.
StoredWeights small_unet() {
  const std::map<std::string, std::vector<int64_t>> shapes{
      {"input_blocks.0.0.weight", {32, 4, 3, 3}},
      {"input_blocks.1.0.in_layers.2.weight", {32, 32, 3, 3}},
      {"input_blocks.2.0.op.weight", {32, 32, 3, 3}},
      {"input_blocks.3.0.in_layers.2.weight", {64, 32, 3, 3}},
      {"input_blocks.3.1.proj_in.weight", {64, 64, 1, 1}},
      {"input_blocks.3.1.transformer_blocks.0.norm1.weight", {64}},
      {"input_blocks.3.1.transformer_blocks.0.attn2.to_k.weight", {64, 48}},
      {"input_blocks.4.0.in_layers.2.weight", {64, 64, 3, 3}},
      {"input_blocks.4.1.transformer_blocks.0.norm1.weight", {64}},
      {"middle_block.1.transformer_blocks.0.norm1.weight", {64}},
      {"output_blocks.0.0.in_layers.2.weight", {64, 128, 3, 3}},
      {"output_blocks.1.0.in_layers.2.weight", {64, 128, 3, 3}},
      {"output_blocks.2.0.in_layers.2.weight", {64, 96, 3, 3}},
      {"output_blocks.3.0.in_layers.2.weight", {32, 96, 3, 3}},
      {"output_blocks.4.0.in_layers.2.weight", {32, 64, 3, 3}},
      {"out.2.weight", {4, 32, 3, 3}}};
  StoredWeights weights;
  for (const auto& [name, shape] : shapes) weights[name].shape = shape;
  return weights;
}

TEST(LdmUnetStructure, IsReadFromNamesAndShapes) {
  const UNetConfig unet = UNetConfig::read(config_of_ldm_unet(small_unet(), "file"));
  ASSERT_EQ(unet.levels.size(), 2);
  EXPECT_EQ(unet.in_channels, 4);
  EXPECT_EQ(unet.levels[0].channels, 32);
  EXPECT_EQ(unet.levels[0].resnet_count, 1);
  EXPECT_FALSE(unet.levels[0].has_attention_down);
  EXPECT_EQ(unet.levels[1].resnet_count, 2);
  EXPECT_TRUE(unet.levels[1].has_attention_down);
  EXPECT_FALSE(unet.levels[1].has_attention_up);
  EXPECT_EQ(unet.levels[1].context_channels, 48);
  EXPECT_EQ(unet.levels[1].head_count, 8);
  EXPECT_FALSE(unet.uses_linear_projection);
}

TEST(LdmUnetStructure, HasHeads64WideWhereProjectionsAreLinear) {
  StoredWeights weights = small_unet();
  weights["input_blocks.3.1.proj_in.weight"].shape = {64, 64};
  const UNetConfig unet = UNetConfig::read(config_of_ldm_unet(weights, "file"));
  EXPECT_TRUE(unet.uses_linear_projection);
  EXPECT_EQ(unet.levels[1].head_count, 1);
}

TEST(LdmUnetStructure, ThatIsNotStableDiffusionsIsRefusedByTheBlock) {
  const auto refusal = [](const StoredWeights& weights) {
    return sdlora::error_of([&] { config_of_ldm_unet(weights, "file.safetensors"); });
  };
  StoredWeights weights = small_unet();
  weights.erase("output_blocks.4.0.in_layers.2.weight");
  EXPECT_THAT(refusal(weights),
              testing::AllOf(HasSubstr("65"), HasSubstr("output_blocks.4.0.in_layers.2.weight")));
  weights = small_unet();
  weights["input_blocks.4.0.in_layers.2.weight"].shape = {96, 64, 3, 3};
  EXPECT_THAT(refusal(weights), HasSubstr("one width"));
  weights = small_unet();
  weights["input_blocks.4.0.in_layers.2.weight"].shape = {};
  EXPECT_THAT(refusal(weights), HasSubstr("input_blocks.4.0.in_layers.2.weight"));
  weights = small_unet();
  weights["input_blocks.5.0.op.weight"].shape = {64, 64, 3, 3};
  EXPECT_THAT(refusal(weights), HasSubstr("resnets on every level"));
  weights = small_unet();
  weights.erase("input_blocks.3.1.transformer_blocks.0.attn2.to_k.weight");
  EXPECT_THAT(refusal(weights), HasSubstr("cross-attention"));
}

}  // namespace
}  // namespace sdlora::model
