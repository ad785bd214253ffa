#include "model/containers/single_file.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "checkpoint/safetensors.h"
#include "model/noise/noise_schedule.h"
#include "tests/support/error_of.h"
#include "tests/support/temporary_folder.h"

namespace sdlora::model {
namespace {

using checkpoint::Metadata;
using checkpoint::NamedTensors;
using testing::HasSubstr;

// The least that has the structure of a UNet.
NamedTensors small_checkpoint(bool is_linear = false) {
  const std::string unet = "model.diffusion_model.";
  NamedTensors tensors{{unet + "input_blocks.0.0.weight", at::ones({32, 4, 3, 3})},
                       {unet + "input_blocks.1.0.in_layers.2.weight", at::ones({32, 32, 3, 3})},
                       {unet + "input_blocks.1.1.transformer_blocks.0.norm1.weight", at::ones({32})},
                       {unet + "input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight", at::ones({32, 48})},
                       {unet + "middle_block.1.transformer_blocks.0.norm1.weight", at::ones({32})},
                       {unet + "output_blocks.0.0.in_layers.2.weight", at::ones({32, 64, 3, 3})},
                       {unet + "output_blocks.1.0.in_layers.2.weight", at::ones({32, 64, 3, 3})},
                       {unet + "out.2.weight", at::ones({4, 32, 3, 3})}};
  tensors[unet + "input_blocks.1.1.proj_in.weight"] =
      is_linear ? at::ones({32, 32}) : at::ones({32, 32, 1, 1});
  return tensors;
}

class ASingleFile : public testing::Test {
 protected:
  SingleFile file_of(const NamedTensors& tensors, const Metadata& metadata = {}) {
    checkpoint::write_safetensors(folder_ / "model.safetensors", tensors, metadata);
    return SingleFile(folder_ / "model.safetensors");
  }

  PredictionType prediction_of(const SingleFile& file) {
    return NoiseSchedule(file.config_of(ModelPart::kScheduler)).prediction_type();
  }

  TemporaryFolder folder_;
};

TEST_F(ASingleFile, SaysWhichPartsItHas) {
  const SingleFile file = file_of(small_checkpoint());
  EXPECT_TRUE(file.has(ModelPart::kUnet));
  EXPECT_TRUE(file.has(ModelPart::kScheduler));
  EXPECT_FALSE(file.has(ModelPart::kVae));
  EXPECT_FALSE(file.has(ModelPart::kTokenizer));
  EXPECT_THAT(error_of([&] { file.weights_of(ModelPart::kVae); }),
              testing::AllOf(HasSubstr("64"), HasSubstr("has no vae"), HasSubstr("--vae")));
  EXPECT_THAT(error_of([&] { file.config_of(ModelPart::kTextEncoder); }), HasSubstr("has no text_encoder"));
}

TEST_F(ASingleFile, PredictsEpsilonInStableDiffusion1) {
  const SingleFile file = file_of(small_checkpoint());
  EXPECT_EQ(prediction_of(file), PredictionType::kEpsilon);
  EXPECT_THAT(NoiseSchedule(file.config_of(ModelPart::kScheduler)).describe(),
              HasSubstr("predicts epsilon (assumed of Stable Diffusion 1.x)"));
}

TEST_F(ASingleFile, PredictsWhatABiasSaysInStableDiffusion2) {
  NamedTensors tensors = small_checkpoint(/*is_linear=*/true);
  const std::string bias = "model.diffusion_model.output_blocks.11.1.transformer_blocks.0.norm1.bias";
  tensors[bias] = at::tensor({-0.2, 0.2, -0.2, 0.2}, at::kFloat);
  EXPECT_EQ(prediction_of(file_of(tensors)), PredictionType::kVelocity);
  tensors[bias] = at::tensor({-0.02, 0.02, -0.02, 0.02}, at::kFloat);
  EXPECT_EQ(prediction_of(file_of(tensors)), PredictionType::kEpsilon);
}

TEST_F(ASingleFile, PredictsWhatItsMetadataAMarkerOrAYamlFileSay) {
  NamedTensors tensors = small_checkpoint();
  tensors["v_pred"] = at::empty({0});
  EXPECT_EQ(prediction_of(file_of(tensors)), PredictionType::kVelocity);
  EXPECT_EQ(prediction_of(file_of(tensors, {{"modelspec.prediction_type", "epsilon"}})),
            PredictionType::kEpsilon);
  EXPECT_EQ(prediction_of(file_of(small_checkpoint(), {{"modelspec.prediction_type", "v"}})),
            PredictionType::kVelocity);
  write_bytes(folder_ / "model.yaml", "model:\n  params:\n    parameterization: \"v\"\n");
  const SingleFile file = file_of(small_checkpoint(), {{"modelspec.prediction_type", "epsilon"}});
  EXPECT_EQ(prediction_of(file), PredictionType::kVelocity);
  EXPECT_THAT(NoiseSchedule(file.config_of(ModelPart::kScheduler)).describe(),
              HasSubstr("predicts velocity (parameterization in model.yaml)"));
  for (const char* other : {"", "a: b", "model: 3", "model:\n  params: 1"}) {
    write_bytes(folder_ / "model.yaml", other);
    EXPECT_THAT(NoiseSchedule(file_of(small_checkpoint()).config_of(ModelPart::kScheduler)).describe(),
                HasSubstr("assumed of Stable Diffusion 1.x"));
  }
  write_bytes(folder_ / "model.yaml", "model: [");
  EXPECT_THAT(error_of([&] { file_of(small_checkpoint()).config_of(ModelPart::kScheduler); }),
              HasSubstr("65 cannot read the YAML"));
}

TEST_F(ASingleFile, HasAZeroTerminalSnrWhereAMarkerSaysSo) {
  NamedTensors tensors = small_checkpoint();
  tensors["ztsnr"] = at::empty({0});
  const Metadata velocity{{"modelspec.prediction_type", "v_prediction"}};
  EXPECT_TRUE(
      NoiseSchedule(file_of(tensors, velocity).config_of(ModelPart::kScheduler)).has_zero_terminal_snr());
  EXPECT_FALSE(NoiseSchedule(file_of(small_checkpoint(), velocity).config_of(ModelPart::kScheduler))
                   .has_zero_terminal_snr());
}

TEST_F(ASingleFile, CountsWhatItDoesNotUse) {
  NamedTensors tensors = small_checkpoint();
  tensors["model_ema.diffusion_modelout0weight"] = at::ones({1});
  tensors["model_ema.decay"] = at::ones({1});
  tensors["betas"] = at::ones({1});
  tensors["something"] = at::ones({1});
  const std::string description = file_of(tensors).description();
  EXPECT_THAT(description, HasSubstr("EMA weights not used: 2 (model_ema.decay"));
  EXPECT_THAT(description, HasSubstr("tensors of no part: 1 (something)"));
}

TEST_F(ASingleFile, KeepsUnknownNamesOfItsUnetToBeReported) {
  NamedTensors tensors = small_checkpoint();
  tensors["model.diffusion_model.input_blocks.7.0.weight"] = at::ones({1});
  const StoredWeights weights = file_of(tensors).weights_of(ModelPart::kUnet);
  EXPECT_TRUE(weights.contains("down_blocks.0.resnets.0.conv1.weight"));
  EXPECT_TRUE(weights.contains("input_blocks.7.0.weight"));
}

TEST_F(ASingleFile, OfAnotherKindIsRefused) {
  EXPECT_THAT(error_of([&] { file_of({{"emb_params", at::ones({2, 768})}}); }), HasSubstr("embedding"));
  write_bytes(folder_ / "page.safetensors", "<!DOCTYPE html><html>");
  EXPECT_THAT(error_of([&] { SingleFile(folder_ / "page.safetensors"); }), HasSubstr("65"));
}

}  // namespace
}  // namespace sdlora::model
