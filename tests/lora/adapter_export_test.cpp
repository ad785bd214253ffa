#include "lora/adapter_export.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "checkpoint/safetensors.h"
#include "lora/kohya_hashes.h"
#include "tests/support/error_of.h"
#include "tests/support/temporary_folder.h"

namespace sdlora::lora {
namespace {

using checkpoint::Metadata;
using checkpoint::NamedTensors;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

const std::string kModule = "mid_block.attentions.0.transformer_blocks.0.attn1.to_q";
const std::string kKohyaModule = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q";

class AdapterExport : public testing::Test {
 protected:
  AdapterExport() {
    adapter_.file = "lora_weights.pt";
    adapter_.unet.emplace(
        kModule,
        LowRankPair{
            .a = at::full({2, 8}, 0.5), .b = at::full({8, 2}, 0.25), .alpha = 16, .tensor_names = {}});
  }

  Metadata metadata_of(const ExportForm& form = {}) const {
    Metadata metadata;
    export_adapter(adapter_, file_, form);
    checkpoint::read_safetensors(file_, &metadata);
    return metadata;
  }

  TemporaryFolder folder_;
  std::filesystem::path file_ = folder_ / "style.safetensors";
  AdapterFile adapter_;
};

TEST_F(AdapterExport, HasEveryTensorInTheWantedTypeAndTheHashesOfTheseBytes) {
  for (const at::ScalarType dtype : {at::kFloat, at::kHalf, at::kBFloat16}) {
    const Metadata metadata = metadata_of({.dtype = dtype});
    const NamedTensors tensors = checkpoint::read_safetensors(file_);
    ASSERT_EQ(tensors.size(), 3);
    for (const auto& [name, tensor] : tensors) EXPECT_EQ(tensor.scalar_type(), dtype) << name;
    EXPECT_EQ(tensors.at(kKohyaModule + ".alpha").item<double>(), 16);
    EXPECT_EQ(metadata.at("sshs_model_hash"), kohya_hashes(tensors, metadata, file_).model);
    EXPECT_EQ(metadata.at("sshs_legacy_hash"), kohya_hashes(tensors, metadata, file_).legacy);
  }
}

TEST_F(AdapterExport, SpeaksOfRankAndAlphaAsPythonDoes) {
  const Metadata metadata = metadata_of();
  EXPECT_EQ(metadata.at("ss_network_dim"), "2");
  EXPECT_EQ(metadata.at("ss_network_alpha"), "16.0");
  EXPECT_EQ(metadata.at("ss_network_module"), "networks.lora");
}

TEST_F(AdapterExport, KeepsWhatTheFileSaidWhereItStaysTrue) {
  adapter_.metadata = {{"ss_steps", "1500"},        {"ss_base_model_version", "sd_v2_v"},
                       {"ss_network_dim", "128"},   {"sshs_model_hash", "of the other file"},
                       {"modelspec.title", "mine"}, {"lora_adapter_metadata", "{}"}};
  const Metadata metadata = metadata_of({.metadata = {{"modelspec.title", "ours"}}});
  EXPECT_EQ(metadata.at("ss_steps"), "1500");
  EXPECT_EQ(metadata.at("ss_base_model_version"), "sd_v2_v");
  EXPECT_EQ(metadata.at("ss_v2"), "True");
  EXPECT_EQ(metadata.at("ss_network_dim"), "2") << "what the tensors show";
  EXPECT_EQ(metadata.at("modelspec.title"), "ours") << "what was asked for";
  EXPECT_NE(metadata.at("sshs_model_hash"), "of the other file");
  EXPECT_FALSE(metadata.contains("lora_adapter_metadata"));
}

TEST_F(AdapterExport, OfValuesThatTheTypeDoesNotHoldIsRefused) {
  adapter_.unet.at(kModule).b[0][0] = 70'000;
  EXPECT_FALSE(fits_in(adapter_, at::kHalf));
  EXPECT_TRUE(fits_in(adapter_, at::kBFloat16));
  EXPECT_THAT(error_of([&] { metadata_of({.dtype = at::kHalf}); }),
              AllOf(StartsWith("65 "), HasSubstr("Half"), HasSubstr("lora_weights.pt")));
  EXPECT_FALSE(std::filesystem::exists(file_));
}

}  // namespace
}  // namespace sdlora::lora
