#include "model/vae/vae_config.h"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/support/error_of.h"

namespace sdlora::model {
namespace {

using testing::HasSubstr;

VaeConfig vae_with(const std::string& key, const nlohmann::json& value) {
  nlohmann::json json = nlohmann::json::parse(R"({
    "block_out_channels": [128, 256, 512, 512], "down_block_types": ["DownEncoderBlock2D"],
    "up_block_types": ["UpDecoderBlock2D"], "layers_per_block": 2})");
  json[key] = value;
  const std::string path = testing::TempDir() + "vae_config_test.json";
  std::ofstream(path) << json;
  return VaeConfig::read(ModelConfig(path));
}

std::string refusal_of_vae(const std::string& key, const nlohmann::json& value) {
  return message_of_error(ExitCode::kBadData, [&] { vae_with(key, value); });
}

TEST(VaeConfig, ReadsStableDiffusion15) {
  EXPECT_EQ(vae_with("latent_channels", 4).downscale(), 8);
}

TEST(VaeConfig, RefusesNumbersThatOverflowOrNeverEnd) {
  EXPECT_THAT(refusal_of_vae("block_out_channels", std::vector<int>(80, 32)), HasSubstr("at most 16 levels"));
  EXPECT_THAT(refusal_of_vae("block_out_channels", nlohmann::json::array()), HasSubstr("block_out_channels"));
  EXPECT_THAT(refusal_of_vae("layers_per_block", 1'000'000), HasSubstr("layers_per_block"));
  EXPECT_THAT(refusal_of_vae("latent_channels", 0), HasSubstr("latent_channels"));
}

}  // namespace
}  // namespace sdlora::model
