#include "lora/adapter_file.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "checkpoint/safetensors.h"
#include "checkpoint/torch_zip.h"
#include "common/atomic_file.h"
#include "common/error.h"
#include "common/seeds.h"
#include "tests/support/error_of.h"

namespace sdlora::lora {
namespace {

using checkpoint::Metadata;
using checkpoint::NamedTensors;
using testing::HasSubstr;

const std::string kPath = "mid_block.attentions.0.transformer_blocks.0.attn1.to_q";
const std::string kKohya = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q";
constexpr int64_t kRank = 4, kIn = 6, kOut = 5;

// A folder of its own for each test, so that what lies beside a file is the test's alone.
class AdapterFileTest : public testing::Test {
 protected:
  AdapterFileTest()
      : folder_(std::filesystem::path(testing::TempDir()) /
                testing::UnitTest::GetInstance()->current_test_info()->name()) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }

  ~AdapterFileTest() override { std::filesystem::remove_all(folder_); }

  AdapterFile read(const NamedTensors& tensors, const Metadata& metadata = {}) const {
    checkpoint::write_safetensors(folder_ / "adapter.safetensors", tensors, metadata);
    return read_at(folder_ / "adapter.safetensors");
  }

  static AdapterFile read_at(const std::filesystem::path& file) {
    static const ModuleTable sd1 = ModuleTable::standard(/*is_sd2=*/false);
    return read_adapter(file, sd1);
  }

  std::string refusal(const NamedTensors& tensors) const {
    return message_of_error(ExitCode::kBadData, [&] { read(tensors); });
  }

  std::filesystem::path folder_;
};

at::Tensor values(at::IntArrayRef shape) {
  return at::randn(shape, generator_for(1), at::kFloat);
}

NamedTensors kohya_pair() {
  return {{kKohya + ".lora_down.weight", values({kRank, kIn})},
          {kKohya + ".lora_up.weight", values({kOut, kRank})}};
}

NamedTensors diffusers_pair() {
  return {{"unet." + kPath + ".lora_A.weight", values({kRank, kIn})},
          {"unet." + kPath + ".lora_B.weight", values({kOut, kRank})}};
}

NamedTensors with(NamedTensors tensors, const std::string& name, const at::Tensor& tensor) {
  tensors[name] = tensor;
  return tensors;
}

TEST_F(AdapterFileTest, HasAnAlphaAndARankForEachModule) {
  NamedTensors tensors = with(kohya_pair(), kKohya + ".alpha", at::scalar_tensor(2.0));
  const std::string other = "lora_unet_mid_block_attentions_0_proj_in";
  tensors[other + ".lora_down.weight"] = values({8, kIn, 1, 1});
  tensors[other + ".lora_up.weight"] = values({kOut, 8, 1, 1});
  tensors[other + ".alpha"] = at::scalar_tensor(1.0, at::kHalf);
  const AdapterFile adapter = read(tensors);
  EXPECT_EQ(adapter.naming, "kohya");
  EXPECT_EQ(adapter.tensor_count, 6);
  EXPECT_EQ(adapter.unet.at(kPath).scale(), 0.5);
  EXPECT_EQ(adapter.unet.at("mid_block.attentions.0.proj_in").scale(), 0.125);
  EXPECT_TRUE(adapter.left_out.empty());
}

TEST_F(AdapterFileTest, IsReadAsFp32WhateverItsType) {
  for (const at::ScalarType dtype : {at::kHalf, at::kBFloat16, at::kDouble}) {
    NamedTensors tensors = kohya_pair();
    for (auto& [name, tensor] : tensors) tensor = tensor.to(dtype);
    const AdapterFile adapter = read(tensors);
    EXPECT_TRUE(at::equal(adapter.unet.at(kPath).a, tensors.at(kKohya + ".lora_down.weight").to(at::kFloat)));
  }
}

TEST_F(AdapterFileTest, HasScaleOneWithoutAnyAlpha) {
  EXPECT_EQ(read(kohya_pair()).unet.at(kPath).scale(), 1);
  EXPECT_EQ(read(diffusers_pair()).unet.at(kPath).scale(), 1);
}

TEST_F(AdapterFileTest, TakesKohyasZeroAlphaForNotSet) {
  const auto tensors = with(kohya_pair(), kKohya + ".alpha", at::scalar_tensor(0.0));
  EXPECT_EQ(read(tensors).unet.at(kPath).scale(), 1);
}

TEST_F(AdapterFileTest, TakesAlphaFromKohyasMetadataWhereNoTensorSaysIt) {
  EXPECT_EQ(read(kohya_pair(), {{"ss_network_alpha", "2.0"}}).unet.at(kPath).alpha, 2);
  EXPECT_EQ(read(kohya_pair(), {{"ss_network_alpha", "Dynamic"}}).unet.at(kPath).alpha, kRank);
  const auto tensors = with(kohya_pair(), kKohya + ".alpha", at::scalar_tensor(3.0));
  EXPECT_EQ(read(tensors, {{"ss_network_alpha", "2.0"}}).unet.at(kPath).alpha, 3);
}

TEST_F(AdapterFileTest, TakesAlphaFromDiffusersMetadata) {
  const auto alpha = [&](const std::string& json) {
    return read(diffusers_pair(), {{"lora_adapter_metadata", json}}).unet.at(kPath).alpha;
  };
  EXPECT_EQ(alpha(R"({"unet.r": 4, "unet.lora_alpha": 8})"), 8);
  EXPECT_EQ(alpha(R"({"unet.lora_alpha": 8, "unet.alpha_pattern": {"attn1.to_q": 16}})"), 16);
  EXPECT_EQ(alpha(R"({"unet.lora_alpha": 8, "unet.alpha_pattern": {"tn1.to_q": 16}})"), 8);
  EXPECT_EQ(alpha(R"({"unet.lora_alpha": 8, "unet.use_rslora": true})"), 16) << "8 / √4 = 16 / 4";
  EXPECT_EQ(alpha(R"({"text_encoder.lora_alpha": 8})"), kRank);
}

TEST_F(AdapterFileTest, TakesAlphaFromPeftsConfigBesideIt) {
  const NamedTensors tensors{{"base_model.model." + kPath + ".lora_A.weight", values({kRank, kIn})},
                             {"base_model.model." + kPath + ".lora_B.weight", values({kOut, kRank})}};
  EXPECT_EQ(read(tensors).unet.at(kPath).alpha, kRank);
  write_text_atomically(folder_ / "adapter_config.json", R"({"r": 4, "lora_alpha": 12})");
  EXPECT_EQ(read(tensors).unet.at(kPath).alpha, 12);
}

TEST_F(AdapterFileTest, HasAlphaOneInOurNamingWithoutADescription) {
  checkpoint::write_torch_zip(folder_ / "lora_weights.pt", {{kPath + ".lora_A", values({kRank, kIn})},
                                                            {kPath + ".lora_B", values({kOut, kRank})}});
  EXPECT_EQ(read_at(folder_ / "lora_weights.pt").unet.at(kPath).alpha, 1);
}

TEST_F(AdapterFileTest, IgnoresAStrangersJsonBesideAFileOfAnotherNaming) {
  write_text_atomically(folder_ / "adapter.json", R"({"activation text": "a dog"})");
  EXPECT_EQ(read(diffusers_pair()).unet.at(kPath).alpha, kRank);
}

TEST_F(AdapterFileTest, LeavesOutAWholeModuleThatHasATensorItCannotRead) {
  const NamedTensors tensors = with(kohya_pair(), kKohya + ".oft_blocks", values({kOut, 1, 1}));
  const AdapterFile adapter = read(tensors);
  EXPECT_TRUE(adapter.unet.empty());
  EXPECT_EQ(adapter.left_out.at("OFT").size(), 3);
  EXPECT_THAT(describe(adapter.left_out), HasSubstr("3 of OFT (" + kKohya + ".oft_blocks"));
}

TEST_F(AdapterFileTest, LeavesOutAWholeModuleThatHasAPartNobodyKnows) {
  const NamedTensors tensors = with(kohya_pair(), kKohya + ".lora_X.weight", values({kRank, 1}));
  const AdapterFile adapter = read(tensors);
  EXPECT_TRUE(adapter.unet.empty());
  EXPECT_EQ(adapter.left_out.at("unknown names").size(), 3);
}

TEST_F(AdapterFileTest, KeepsModulesOfOtherKindsApartFromPlainOnes) {
  NamedTensors tensors = with(kohya_pair(), kKohya + ".dora_scale", values({kOut, 1}));
  const std::string text = "lora_te_text_model_encoder_layers_3_mlp_fc1";
  tensors[text + ".lora_down.weight"] = values({kRank, kIn});
  tensors[text + ".lora_up.weight"] = values({kOut, kRank});
  const AdapterFile adapter = read(tensors);
  EXPECT_TRUE(adapter.unet.empty());
  EXPECT_EQ(adapter.others.at(kPath).weight.kind, "DoRA");
  EXPECT_EQ(adapter.others.at(kPath).tensor_names.size(), 3);
  EXPECT_TRUE(adapter.text_encoder.contains("text_model.encoder.layers.3.mlp.fc1"));
  EXPECT_TRUE(adapter.left_out.empty());
}

TEST_F(AdapterFileTest, NamesTheEmbeddingsThatProgramsPackIn) {
  const AdapterFile adapter = read(with(kohya_pair(), "bundle_emb.fluffy.clip_l", values({2, 8})));
  EXPECT_EQ(describe(adapter.left_out), "1 of the embedding \"fluffy\" (bundle_emb.fluffy.clip_l)");
  EXPECT_EQ(adapter.unet.size(), 1);
}

TEST_F(AdapterFileTest, SaysWhatAFileIsThatIsNoAdapter) {
  for (const auto& [name, what] : std::vector<std::pair<std::string, std::string>>{
           {"model.diffusion_model.input_blocks.0.0.weight", "a whole model"},
           {"control_model.zero_convs.0.0.weight", "a ControlNet"},
           {"down_blocks.0.resnets.0.conv1.weight", "a UNet"},
           {"first_stage_model.encoder.conv_in.weight", "a VAE"},
           {"emb_params", "an embedding"}})
    EXPECT_THAT(refusal({{name, values({2, 2})}}), HasSubstr(what));
}

TEST_F(AdapterFileTest, SeesForWhichFamilyItWasTrained) {
  const std::string key = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k";
  EXPECT_EQ(read({{key + ".lora_down.weight", values({kRank, 1024})},
                  {key + ".lora_up.weight", values({kOut, kRank})}})
                .context_channels,
            1024);
  EXPECT_EQ(
      read(with(kohya_pair(), "lora_unet_double_blocks_0_img_attn_qkv.alpha", at::scalar_tensor(1.0))).family,
      "Flux");
}

TEST_F(AdapterFileTest, MayBeAFolderOfPeftOrDiffusers) {
  checkpoint::write_safetensors(folder_ / "adapter_model.safetensors",
                                {{"base_model.model." + kPath + ".lora_A.weight", values({kRank, kIn})},
                                 {"base_model.model." + kPath + ".lora_B.weight", values({kOut, kRank})}});
  write_text_atomically(folder_ / "adapter_config.json", R"({"lora_alpha": 8})");
  EXPECT_EQ(read_at(folder_).unet.at(kPath).alpha, 8);
  std::filesystem::remove(folder_ / "adapter_model.safetensors");
  EXPECT_THAT(message_of_error(ExitCode::kUsage, [&] { read_at(folder_); }),
              HasSubstr("adapter_model.safetensors, adapter_model.bin"));
}

TEST_F(AdapterFileTest, NumbersModulesAsCloneofsimoDid) {
  NamedTensors tensors{{"<s1>", values({768})}};
  for (int i = 0; i < 48; ++i) {
    tensors["text_encoder:" + std::to_string(i) + ":up"] = values({768, 1});
    tensors["text_encoder:" + std::to_string(i) + ":down"] = values({1, 768});
  }
  const AdapterFile adapter = read(tensors);
  EXPECT_EQ(adapter.text_encoder.size(), 48);
  EXPECT_EQ(adapter.text_encoder.begin()->second.scale(), 1);
  EXPECT_EQ(describe(adapter.left_out), "1 of embeddings of new words (<s1>)");
  NamedTensors list;
  for (int i = 0; i < 96; ++i) list[std::to_string(i)] = i % 2 == 0 ? values({768, 1}) : values({1, 768});
  EXPECT_EQ(read(list).text_encoder.size(), 48);
  tensors.erase("text_encoder:7:up");
  EXPECT_EQ(read(tensors).left_out.at("numbered modules (cloneofsimo/lora) that are not this model's").size(),
            95);
}

TEST_F(AdapterFileTest, RefusesHalfAPair) {
  NamedTensors tensors = kohya_pair();
  tensors.erase(kKohya + ".lora_up.weight");
  EXPECT_THAT(refusal(tensors), HasSubstr(kKohya + ".lora_down.weight"));
}

TEST_F(AdapterFileTest, RefusesAModuleInTwoNamings) {
  NamedTensors tensors = kohya_pair();
  tensors.merge(diffusers_pair());
  EXPECT_THAT(refusal(tensors), HasSubstr("also " + kKohya));
}

TEST_F(AdapterFileTest, RefusesRanksThatDiffer) {
  const std::string text = refusal(with(kohya_pair(), kKohya + ".lora_up.weight", values({kOut, 3})));
  EXPECT_THAT(text, HasSubstr("[5, 3]"));
  EXPECT_THAT(text, HasSubstr("[4, 6]"));
}

TEST_F(AdapterFileTest, RefusesValuesThatAreNotFiniteNumbers) {
  at::Tensor broken = values({kOut, kRank});
  broken[0][0] = std::nan("");
  EXPECT_THAT(refusal(with(kohya_pair(), kKohya + ".lora_up.weight", broken)), HasSubstr("finite"));
  EXPECT_THAT(refusal(with(kohya_pair(), kKohya + ".lora_up.weight", at::ones({kOut, kRank}, at::kLong))),
              HasSubstr("floating-point"));
}

TEST_F(AdapterFileTest, RefusesAnAlphaOfSeveralNumbersOrNone) {
  EXPECT_THAT(refusal(with(kohya_pair(), kKohya + ".alpha", values({2}))), HasSubstr(".alpha"));
  EXPECT_THAT(refusal(with(kohya_pair(), kKohya + ".alpha", at::scalar_tensor(std::nan("")))),
              HasSubstr("finite"));
}

TEST_F(AdapterFileTest, RefusesAMatrixOfRankZero) {
  EXPECT_THAT(refusal({{kKohya + ".lora_down.weight", at::zeros({0, kIn})},
                       {kKohya + ".lora_up.weight", at::zeros({kOut, 0})}}),
              HasSubstr("[0, 6]"));
}

}  // namespace
}  // namespace sdlora::lora
