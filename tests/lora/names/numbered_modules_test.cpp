#include "lora/names/numbered_modules.h"

#include <gtest/gtest.h>

namespace sdlora::lora {
namespace {

std::vector<MatrixShape> shapes_of(const ModuleTable& table, const std::vector<std::string>& names) {
  std::vector<MatrixShape> shapes;
  shapes.reserve(names.size());
  for (const std::string& name : names) {
    const auto& shape = table.find(name)->shape;
    shapes.emplace_back(shape[0], shape[1]);
  }
  return shapes;
}

// One level of one resnet: 2 transformers on the way up, 1 down, 1 in the middle.
ModuleTable small_table() {
  model::UNetConfig unet = standard_unet(false);
  unet.levels.resize(1);
  unet.levels[0].resnet_count = 1;
  model::ClipTextConfig text = standard_text_encoder(false);
  text.layer_count = 1;
  return {unet, text};
}

std::vector<std::string> names_below(const std::vector<std::string>& transformers,
                                     const std::vector<std::string>& modules) {
  std::vector<std::string> names;
  for (const std::string& transformer : transformers)
    for (const std::string& module : modules)
      names.push_back(transformer + "_transformer_blocks_0_" + module);
  return names;
}

const std::vector<std::string> kTransformers{"down_blocks_0_attentions_0", "up_blocks_0_attentions_0",
                                             "up_blocks_0_attentions_1", "mid_block_attentions_0"};

TEST(NumberedModules, StandInTheOrderOfTheirDays) {
  const ModuleTable table = small_table();
  const std::vector<std::string> names =
      names_below(kTransformers, {"attn1_to_q", "attn1_to_k", "attn1_to_v", "attn1_to_out", "ff_net_0_proj",
                                  "attn2_to_q", "attn2_to_k", "attn2_to_v", "attn2_to_out"});
  const auto found = numbered_modules(table, Network::kUnet, shapes_of(table, names));
  ASSERT_EQ(found.size(), names.size());
  for (size_t i = 0; i < names.size(); ++i) EXPECT_EQ(found[i], table.find(names[i])) << i;
}

TEST(NumberedModules, MayBeOfAttentionAlone) {
  const ModuleTable table = small_table();
  const std::vector<std::string> names =
      names_below(kTransformers, {"attn1_to_q", "attn1_to_k", "attn1_to_v", "attn1_to_out", "attn2_to_q",
                                  "attn2_to_k", "attn2_to_v", "attn2_to_out"});
  const auto found = numbered_modules(table, Network::kUnet, shapes_of(table, names));
  ASSERT_EQ(found.size(), names.size());
  for (size_t i = 0; i < names.size(); ++i) EXPECT_EQ(found[i], table.find(names[i])) << i;
}

TEST(NumberedModules, OfTheTextEncoderStandAsTransformersListsThem) {
  const ModuleTable table = small_table();
  const auto found =
      numbered_modules(table, Network::kTextEncoder, std::vector<MatrixShape>(4, MatrixShape(768, 768)));
  ASSERT_EQ(found.size(), 4);
  EXPECT_EQ(found[0]->path, "text_model.encoder.layers.0.self_attn.k_proj");
  EXPECT_EQ(found[2]->path, "text_model.encoder.layers.0.self_attn.q_proj");
}

TEST(NumberedModules, AreNoneWhereACountOrAShapeIsAnother) {
  const ModuleTable table = small_table();
  const std::vector<MatrixShape> three(3, MatrixShape(768, 768));
  EXPECT_TRUE(numbered_modules(table, Network::kTextEncoder, three).empty());
  const std::vector<MatrixShape> wide(4, MatrixShape(1024, 1024));
  EXPECT_TRUE(numbered_modules(table, Network::kTextEncoder, wide).empty());
}

TEST(NumberedName, HasANetworkANumberAndAPart) {
  const auto name = parse_numbered_name("text_encoder:47:up");
  ASSERT_TRUE(name);
  EXPECT_EQ(name->network, Network::kTextEncoder);
  EXPECT_EQ(name->number, 47);
  EXPECT_TRUE(name->is_up);
  EXPECT_EQ(parse_numbered_name("24")->number, 12);
  EXPECT_TRUE(parse_numbered_name("24")->is_up);
  EXPECT_FALSE(parse_numbered_name("25")->is_up);
  for (const char* other : {"unet:up", "unet::up", "unet:1:alpha", "unet:1", "vae:1:up", "unet:-1:up", "",
                            "-1", "2a", "unet:99999999999999999999999:up"})
    EXPECT_FALSE(parse_numbered_name(other)) << other;
}

}  // namespace
}  // namespace sdlora::lora
