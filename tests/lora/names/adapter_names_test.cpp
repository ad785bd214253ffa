#include "lora/names/adapter_names.h"

#include <gtest/gtest.h>

#include "lora/names/module_table.h"

namespace sdlora::lora {
namespace {

const std::string kQueryPath = "down_blocks.0.attentions.1.transformer_blocks.0.attn1.to_q";
const std::string kOutPath = "mid_block.attentions.0.transformer_blocks.0.attn2.to_out.0";
const std::string kTextPath = "text_model.encoder.layers.11.self_attn.q_proj";

const ModuleTable& sd1() {
  static const ModuleTable table = ModuleTable::standard(/*is_sd2=*/false);
  return table;
}

void expect(const std::string& name, Naming naming, const std::string& path, Part part) {
  const AdapterName parsed = parse_adapter_name(name);
  EXPECT_EQ(text_of(parsed.naming), std::string(text_of(naming))) << name;
  EXPECT_EQ(parsed.part, part) << name;
  const ModelModule* module = sd1().find(parsed.module);
  ASSERT_NE(module, nullptr) << name << " is of " << parsed.module;
  EXPECT_EQ(module->path, path) << name;
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
  expect("base_model.model." + kQueryPath + ".lora_magnitude_vector.default.weight", Naming::kPeft,
         kQueryPath, Part::kPeftMagnitude);
  EXPECT_EQ(parse_adapter_name("x.lora_A.weight").module, "x");
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

TEST(AdapterName, IsReadInTheNamesOfTheOriginalUnet) {
  const std::string ldm = "input_blocks.2.1.transformer_blocks.0.attn1.to_q";
  expect("lora_unet_input_blocks_2_1_transformer_blocks_0_attn1_to_q.lora_down.weight", Naming::kKohya,
         kQueryPath, Part::kA);
  expect("diffusion_model." + ldm + ".lora_B.weight", Naming::kDiffusers, kQueryPath, Part::kB);
  expect("model.diffusion_model." + ldm + ".diff", Naming::kDiffusers, kQueryPath, Part::kDifference);
  expect("lycoris_output_blocks_5_2_conv.hada_w1_a", Naming::kKohya, "up_blocks.1.upsamplers.0.conv",
         Part::kLohaW1A);
  expect("lora_unet_input_blocks_3_0_op.lora_mid.weight", Naming::kKohya, "down_blocks.0.downsamplers.0.conv",
         Part::kMid);
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
  expect("base_model.model." + kQueryPath + ".lora_E", Naming::kPeft, kQueryPath, Part::kSingular);
}

TEST(AdapterName, OfTheTextEncoderHasManySpellings) {
  expect("lora_te_text_model_encoder_layers_11_self_attn_q_proj.lora_up.weight", Naming::kKohya, kTextPath,
         Part::kB);
  expect("lora_te1_text_model_encoder_layers_11_self_attn_q_proj.lora_up.weight", Naming::kKohya, kTextPath,
         Part::kB);
  expect("lora_te_text_model_encoder_layers_11_layer_norm1.w_norm", Naming::kKohya,
         "text_model.encoder.layers.11.layer_norm1", Part::kDifference);
  for (const std::string& name : {"text_encoder." + kTextPath + ".lora_linear_layer.up.weight",
                                  "text_encoder." + kTextPath + ".lora_B.weight",
                                  "text_encoders.clip_l.transformer." + kTextPath + ".lora_up.weight"})
    expect(name, Naming::kDiffusers, kTextPath, Part::kB);
  expect("base_model.model." + kTextPath + ".lora_B.weight", Naming::kPeft, kTextPath, Part::kB);
  expect("base_model.model.encoder.layers.11.self_attn.q_proj.lora_B.weight", Naming::kPeft, kTextPath,
         Part::kB);
}

TEST(AdapterName, NamesWhatItCannotRead) {
  const std::string module = "lora_unet_mid_block_attentions_0_proj_in";
  for (const auto& [suffix, kind] :
       std::vector<std::pair<const char*, const char*>>{{".oft_blocks", "OFT"},
                                                        {".boft_R", "BOFT"},
                                                        {".vera_lambda_b", "VeRA"},
                                                        {".lora_latent", "LoRA-XS"},
                                                        {".something", "unknown names"}}) {
    const AdapterName parsed = parse_adapter_name(module + suffix);
    EXPECT_EQ(parsed.part, Part::kUnsupported) << suffix;
    EXPECT_EQ(parsed.unsupported_kind, kind) << suffix;
  }
  EXPECT_EQ(parse_adapter_name("bundle_emb.my word.string_to_param.*").unsupported_kind,
            "the embedding \"my word\"");
  EXPECT_EQ(parse_adapter_name("lora_te2_text_model_encoder_layers_0_mlp_fc1.alpha").unsupported_kind,
            "a second text encoder (SDXL)");
}

}  // namespace
}  // namespace sdlora::lora
