#include "model/unet/unet_config.h"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "common/error.h"
#include "tests/support/error_of.h"

namespace sdlora::model {
namespace {

nlohmann::json stable_diffusion() {
  return nlohmann::json::parse(R"({
    "in_channels": 4, "out_channels": 4, "block_out_channels": [320, 640, 1280, 1280], "layers_per_block": 2,
    "cross_attention_dim": 768, "attention_head_dim": 8, "norm_num_groups": 32, "norm_eps": 1e-5, "act_fn": "silu",
    "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"]})");
}

UNetConfig read(const nlohmann::json& json) {
  const std::string path = testing::TempDir() + "unet_config_test.json";
  std::ofstream(path) << json;
  return UNetConfig::read(ModelConfig(path));
}

std::string refusal(const std::string& key, const nlohmann::json& value) {
  nlohmann::json json = stable_diffusion();
  json[key] = value;
  return message_of_error(ExitCode::kBadData, [&] { read(json); });
}

TEST(UNetConfig, ReadsStableDiffusion15) {
  const UNetConfig config = read(stable_diffusion());
  ASSERT_EQ(config.levels.size(), 4u);
  EXPECT_EQ(config.time_channels(), 1280);
  EXPECT_TRUE(config.levels[0].has_attention_down);
  EXPECT_FALSE(config.levels[3].has_attention_down);
  EXPECT_FALSE(config.levels[3].has_attention_up);
  EXPECT_TRUE(config.levels[0].has_attention_up);
  EXPECT_EQ(config.levels[2].head_count, 8);
}

TEST(UNetConfig, TakesListsPerLevel) {
  nlohmann::json json = stable_diffusion();
  json["attention_head_dim"] = {5, 10, 20, 20};
  json["layers_per_block"] = {1, 2, 3, 1};
  const UNetConfig config = read(json);
  EXPECT_EQ(config.levels[1].head_count, 10);
  EXPECT_EQ(config.levels[2].resnet_count, 3);
}

TEST(UNetConfig, HasAMiddleBlockUnlessTheFileSaysNull) {
  nlohmann::json json = stable_diffusion();
  EXPECT_TRUE(read(json).has_mid_block);
  json["mid_block_type"] = "UNetMidBlock2DCrossAttn";
  EXPECT_TRUE(read(json).has_mid_block);
  json["mid_block_type"] = nullptr;
  EXPECT_FALSE(read(json).has_mid_block);
}

TEST(UNetConfig, ReadsWhatADistilledModelWantsToKnowOfTheGuidance) {
  nlohmann::json json = stable_diffusion();
  json["time_cond_proj_dim"] = nullptr;
  EXPECT_EQ(read(json).guidance_channels, 0);
  json["time_cond_proj_dim"] = 256;
  EXPECT_EQ(read(json).guidance_channels, 256);
  EXPECT_THAT(refusal("time_cond_proj_dim", 0), testing::HasSubstr("time_cond_proj_dim"));
}

TEST(UNetConfig, TakesWhatNewerVersionsOfDiffusersWriteBeside) {
  nlohmann::json json = stable_diffusion();
  json.update(
      nlohmann::json::parse(R"({"act_fn": "swish", "dual_cross_attention": false, "class_embed_type": null,
    "num_attention_heads": null, "mid_block_only_cross_attention": null, "resnet_out_scale_factor": 1.0,
    "addition_embed_type_num_heads": 64, "upcast_attention": null, "dropout": 0.0, "attention_type": "default",
    "time_embedding_type": "positional", "encoder_hid_dim": null, "projection_class_embeddings_input_dim": null})"));
  EXPECT_EQ(read(json).levels.size(), 4u);
}

TEST(UNetConfig, NamesTheKeyItCannotUse) {
  using testing::HasSubstr;
  EXPECT_THAT(refusal("class_embed_type", "projection"), HasSubstr("class_embed_type"));
  EXPECT_THAT(refusal("resnet_time_scale_shift", "scale_shift"), HasSubstr("resnet_time_scale_shift"));
  EXPECT_THAT(refusal("block_out_channels", {320, 641, 1280, 1280}), HasSubstr("norm_num_groups"));
  EXPECT_THAT(refusal("attention_head_dim", 7), HasSubstr("attention_head_dim"));
  EXPECT_THAT(refusal("down_block_types", {"AttnDownBlock2D"}), HasSubstr("down_block_types"));
  EXPECT_THAT(refusal("layers_per_block", "two"), HasSubstr("layers_per_block"));
}

TEST(UNetConfig, RefusesNumbersThatOverflowOrNeverEnd) {
  using testing::HasSubstr;
  EXPECT_THAT(refusal("in_channels", int64_t{1} << 62), HasSubstr("in_channels"));
  EXPECT_THAT(refusal("in_channels", UINT64_MAX), HasSubstr("in_channels"));
  EXPECT_THAT(refusal("layers_per_block", 1'000'000), HasSubstr("layers_per_block"));
  EXPECT_THAT(refusal("transformer_layers_per_block", 1'000'000), HasSubstr("transformer_layers_per_block"));
  EXPECT_THAT(refusal("cross_attention_dim", -1), HasSubstr("cross_attention_dim"));
}

}  // namespace
}  // namespace sdlora::model
