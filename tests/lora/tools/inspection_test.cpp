#include "lora/tools/inspection.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "checkpoint/safetensors.h"
#include "common/seeds.h"
#include "lora/adapter_export.h"
#include "tests/support/temporary_folder.h"

namespace sdlora::lora {
namespace {

using testing::HasSubstr;
using testing::Not;

const std::string kSelfQuery = "mid_block.attentions.0.transformer_blocks.0.attn1.to_q";
const std::string kKeyModule = "up_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k";

class AnInspection : public testing::Test {
 protected:
  void write(const checkpoint::Metadata& metadata = {}) const {
    export_adapter(adapter_, file_, {.metadata = metadata});
  }

  static LowRankPair pair_of(int64_t rank, int64_t in, int64_t out) {
    at::Generator draws = generator_for(1);
    return {.a = at::randn({rank, in}, draws, at::kFloat),
            .b = at::randn({out, rank}, draws, at::kFloat),
            .alpha = 3,
            .tensor_names = {}};
  }

  TemporaryFolder folder_;
  std::filesystem::path file_ = folder_ / "ink.safetensors";
  AdapterFile adapter_ = [] {
    AdapterFile adapter;
    adapter.file = "lora_weights.pt";
    adapter.unet = {{kSelfQuery, pair_of(4, 1280, 1280)}, {kKeyModule, pair_of(2, 768, 1280)}};
    return adapter;
  }();
};

TEST_F(AnInspection, SaysWhatTheFileIsAndForWhichModel) {
  write({{"sdlora_version", "0.2.0"}, {"ss_output_name", "ink"}, {"ss_steps", "500"}});
  const std::string text = to_text(inspect(file_));
  EXPECT_THAT(text, HasSubstr("6 (6 Float)"));
  EXPECT_THAT(text, HasSubstr("for              Stable Diffusion 1.x"));
  EXPECT_THAT(text, HasSubstr("trained by       sdlora 0.2.0"));
  EXPECT_THAT(text, HasSubstr("steps 500"));
  EXPECT_THAT(text, HasSubstr("<lora:ink:1>"));
  EXPECT_THAT(text, HasSubstr("NaN, infinity    none"));
  EXPECT_THAT(text, HasSubstr("1 LoRA: rank 4, alpha 3"));
}

TEST_F(AnInspection, MeasuresWhatIsAddedToEachBlock) {
  write();
  const Inspection inspection = inspect(file_);
  ASSERT_EQ(inspection.norms.size(), 2);
  EXPECT_EQ(inspection.norms[0].block, "mid_block");
  EXPECT_EQ(inspection.norms[1].block, "up_blocks.1");
  for (const BlockNorm& norm : inspection.norms) {
    const LowRankPair& pair = adapter_.unet.at(norm.block == "mid_block" ? kSelfQuery : kKeyModule);
    const at::Tensor change = at::mm(pair.b, pair.a).to(at::kDouble) * pair.scale();
    const double expected = change.norm().item<double>();
    EXPECT_NEAR(norm.norm, expected, 1e-5 * expected);
  }
}

TEST_F(AnInspection, IsAsJsonWithAllMetadata) {
  write({{"ss_steps", "500"}});
  const auto json = nlohmann::json::parse(to_json(inspect(file_)));
  EXPECT_EQ(json.at("tensors"), 6);
  EXPECT_EQ(json.at("metadata").at("ss_steps"), "500");
  EXPECT_EQ(json.at("data_sha256"), json.at("metadata").at("sshs_model_hash"));
  EXPECT_EQ(json.at("groups").size(), 2);
  EXPECT_EQ(json.at("refusal"), "");
}

TEST_F(AnInspection, FindsValuesThatAreNotNumbersAndSaysThatTheFileCannotBeUsed) {
  adapter_.unet.at(kSelfQuery).b[0][0] = std::numeric_limits<float>::quiet_NaN();
  checkpoint::write_safetensors(file_, {{"lora_unet_x.lora_up.weight", adapter_.unet.at(kSelfQuery).b},
                                        {"lora_unet_x.lora_down.weight", adapter_.unet.at(kSelfQuery).a}});
  const Inspection inspection = inspect(file_);
  EXPECT_THAT(inspection.file.nonfinite, testing::ElementsAre("lora_unet_x.lora_up.weight"));
  EXPECT_THAT(to_text(inspection), HasSubstr("in 1 tensors: lora_unet_x.lora_up.weight"));
}

TEST_F(AnInspection, DoesNotBelieveAHashThatIsNotTrue) {
  write();
  checkpoint::Metadata metadata;
  const checkpoint::NamedTensors tensors = checkpoint::read_safetensors(file_, &metadata);
  EXPECT_THAT(to_text(inspect(file_)), Not(HasSubstr("not true")));
  metadata["sshs_model_hash"] = std::string(64, 'a');
  checkpoint::write_safetensors(file_, tensors, metadata);
  EXPECT_THAT(to_text(inspect(file_)), HasSubstr("which is not true"));
}

TEST_F(AnInspection, ShowsNoControlCharactersOfMetadata) {
  write({{"ss_training_comment", "\x1b[31mred\nline"}});
  const std::string text = to_text(inspect(file_));
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  EXPECT_THAT(text, HasSubstr("red\\x0aline"));
}

}  // namespace
}  // namespace sdlora::lora
