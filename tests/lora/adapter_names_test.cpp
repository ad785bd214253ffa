#include "lora/adapter_names.h"

#include <gtest/gtest.h>

#include "lora/kohya_names.h"

namespace sdlora::lora {
namespace {

const std::string kQueryPath = "down_blocks.0.attentions.1.transformer_blocks.0.attn1.to_q";
const std::string kOutPath = "mid_block.attentions.0.transformer_blocks.0.attn2.to_out.0";

void expect(const std::string& name, Naming naming, const std::string& path, Part part) {
  const AdapterName parsed = parse_adapter_name(name);
  EXPECT_EQ(text_of(parsed.naming), std::string(text_of(naming))) << name;
  EXPECT_EQ(parsed.network, Network::kUnet) << name;
  EXPECT_EQ(parsed.path, path) << name;
  EXPECT_EQ(parsed.part, part) << name;
}

TEST(AdapterName, MayBeOfAnyLength) {  // std::regex went down its stack with every letter
  const std::string letters(1'000'000, 'a'), digits(1'000'000, '7');
  for (const std::string& name :
       {letters, letters + ".lora_A.weight", "lora_unet_" + letters, "unet:" + digits,
        "unet:" + digits + ":down", "<" + letters + ">", letters + ".lora_A." + letters + ".weight",
        std::string(1'000'000, '.'), std::string(1'000'000, '_')})
    EXPECT_NO_THROW(parse_adapter_name(name)) << name.substr(0, 20);
}

TEST(AdapterName, OfPeftMayHoldTheAdaptersOwnName) {
  expect("base_model.model." + kQueryPath + ".lora_A.default.weight", Naming::kPeft, kQueryPath, Part::kA);
  EXPECT_EQ(parse_adapter_name("x.lora_A..weight").path, "x.lora_A..weight");  // no name
  EXPECT_EQ(parse_adapter_name("x.lora_A.weight").path, "x");
}

TEST(AdapterName, IsReadInOurOwnNaming) {
  expect(kQueryPath + ".lora_A", Naming::kSdlora, kQueryPath, Part::kA);
  expect(kOutPath + ".lora_B", Naming::kSdlora, kOutPath, Part::kB);
}

TEST(AdapterName, IsReadInKohyasNaming) {
  const std::string kohya = "lora_unet_down_blocks_0_attentions_1_transformer_blocks_0_attn1_to_q";
  expect(kohya + ".lora_down.weight", Naming::kKohya, kQueryPath, Part::kA);
  expect(kohya + ".lora_up.weight", Naming::kKohya, kQueryPath, Part::kB);
  expect(kohya + ".alpha", Naming::kKohya, kQueryPath, Part::kAlpha);
  expect("lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_out_0.lora_up.weight",
         Naming::kKohya, kOutPath, Part::kB);
}

TEST(AdapterName, IsReadInAllOfDiffusersNamings) {
  expect("unet." + kQueryPath + ".lora_A.weight", Naming::kDiffusers, kQueryPath, Part::kA);
  expect("unet." + kQueryPath + ".lora.up.weight", Naming::kDiffusers, kQueryPath, Part::kB);
  expect(kQueryPath + ".lora.down.weight", Naming::kDiffusers, kQueryPath, Part::kA);
  const std::string processor = "mid_block.attentions.0.transformer_blocks.0.attn2.processor.to_out_lora";
  expect(processor + ".down.weight", Naming::kDiffusers, kOutPath, Part::kA);
  expect("unet." + processor + ".up.weight", Naming::kDiffusers, kOutPath, Part::kB);
}

TEST(AdapterName, IsReadInPeftsNamingWithAndWithoutTheAdaptersName) {
  expect("base_model.model." + kQueryPath + ".lora_A.weight", Naming::kPeft, kQueryPath, Part::kA);
  expect("base_model.model." + kQueryPath + ".lora_B.default.weight", Naming::kPeft, kQueryPath, Part::kB);
  expect("base_model.model.unet." + kQueryPath + ".lora_B.weight", Naming::kPeft, kQueryPath, Part::kB);
}

TEST(AdapterName, TellsTheTextEncoderFromTheUnet) {
  const std::string path = "text_model.encoder.layers.11.self_attn.q_proj";
  for (const char* name :
       {"lora_te_text_model_encoder_layers_11_self_attn_q_proj.lora_up.weight",
        "lora_te1_text_model_encoder_layers_11_self_attn_q_proj.lora_up.weight",
        "text_encoder.text_model.encoder.layers.11.self_attn.q_proj.lora_linear_layer.up.weight",
        "text_encoder.text_model.encoder.layers.11.self_attn.q_proj.lora_B.weight",
        "base_model.model.text_model.encoder.layers.11.self_attn.q_proj.lora_B.weight"}) {
    const AdapterName parsed = parse_adapter_name(name);
    EXPECT_EQ(parsed.network, Network::kTextEncoder) << name;
    EXPECT_EQ(parsed.path, path) << name;
    EXPECT_EQ(parsed.part, Part::kB) << name;
  }
}

TEST(AdapterName, NamesWhatItCannotRead) {
  const std::string module = "lora_unet_mid_block_attentions_0_proj_in";
  for (const auto& [suffix, kind] :
       std::vector<std::pair<const char*, const char*>>{{".hada_w1_a", "LoHa"},
                                                        {".lokr_w2", "LoKr"},
                                                        {".dora_scale", "DoRA"},
                                                        {".lora_mid.weight", "LoCon with a Tucker core"},
                                                        {".diff_b", "whole weight differences"},
                                                        {".on_input", "IA3"},
                                                        {".something", "unknown names"}}) {
    const AdapterName parsed = parse_adapter_name(module + suffix);
    EXPECT_EQ(parsed.part, Part::kUnsupported) << suffix;
    EXPECT_EQ(parsed.unsupported_kind, kind) << suffix;
  }
  EXPECT_EQ(parse_adapter_name("unet:12:down").unsupported_kind,
            "numbered instead of named modules (cloneofsimo/lora)");
  EXPECT_EQ(parse_adapter_name("unet." + kQueryPath + ".lora_magnitude_vector.weight").path, kQueryPath);
}

TEST(KohyaName, GivesThePathBackForEveryKindOfModule) {
  for (const std::string& path :
       {kQueryPath, kOutPath, std::string("up_blocks.3.attentions.2.transformer_blocks.0.ff.net.0.proj"),
        std::string("down_blocks.0.attentions.0.transformer_blocks.0.ff.net.2"),
        std::string("mid_block.attentions.0.proj_out"), std::string("down_blocks.2.resnets.1.time_emb_proj"),
        std::string("down_blocks.1.resnets.0.conv_shortcut"), std::string("mid_block.resnets.1.conv2"),
        std::string("up_blocks.0.upsamplers.0.conv"), std::string("time_embedding.linear_1"),
        std::string("conv_in"), std::string("text_model.encoder.layers.5.mlp.fc1"),
        std::string("text_model.encoder.layers.5.self_attn.out_proj")})
    EXPECT_EQ(path_of_kohya_name(kohya_name_of_path(path)), path);
}

}  // namespace
}  // namespace sdlora::lora
