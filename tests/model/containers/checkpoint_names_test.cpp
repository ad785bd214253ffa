#include "model/containers/checkpoint_names.h"

#include <gmock/gmock.h>

namespace sdlora::model {
namespace {

std::vector<std::string> usual_names_of(const std::vector<std::string>& names) {
  StoredWeights weights;
  for (const std::string& name : names) weights.emplace(name, StoredWeight{});
  std::vector<std::string> usual;
  for (const auto& [name, weight] : with_usual_prefixes(weights)) usual.push_back(name);
  return usual;
}

TEST(CheckpointNames, GetTheUsualPrefixWhicheverTheyHad) {
  for (const std::string prefix : {"", "net.", "unet.", "diffusion_model.", "model.model."})
    EXPECT_THAT(usual_names_of({prefix + "input_blocks.0.0.weight", prefix + "out.2.bias"}),
                testing::ElementsAre("model.diffusion_model.input_blocks.0.0.weight",
                                     "model.diffusion_model.out.2.bias"))
        << prefix;
  EXPECT_THAT(usual_names_of({"vae.decoder.conv_in.weight"}),
              testing::ElementsAre("first_stage_model.decoder.conv_in.weight"));
  EXPECT_THAT(
      usual_names_of({"decoder.conv_in.weight", "quant_conv.bias"}),
      testing::ElementsAre("first_stage_model.decoder.conv_in.weight", "first_stage_model.quant_conv.bias"));
  EXPECT_THAT(usual_names_of({"cond_stage_model.transformer.encoder.layers.0.mlp.fc1.bias",
                              "conditioner.embedders.0.transformer.final_layer_norm.bias"}),
              testing::ElementsAre("cond_stage_model.transformer.text_model.encoder.layers.0.mlp.fc1.bias",
                                   "cond_stage_model.transformer.text_model.final_layer_norm.bias"));
  EXPECT_THAT(usual_names_of({"conditioner.embedders.0.model.ln_final.bias"}),
              testing::ElementsAre("cond_stage_model.model.ln_final.bias"));
  EXPECT_THAT(usual_names_of({"state_dict.model.diffusion_model.out.0.bias"}),
              testing::ElementsAre("model.diffusion_model.out.0.bias"));
}

TEST(CheckpointNames, ThatAreUsualComeBeforeOthers) {
  EXPECT_THAT(usual_names_of({"diffusion_model.input_blocks.0.0.weight",
                              "model.diffusion_model.input_blocks.0.0.weight"}),
              testing::ElementsAre("diffusion_model.input_blocks.0.0.weight",
                                   "model.diffusion_model.input_blocks.0.0.weight"));
}

TEST(CheckpointNames, StayWhereTwoWouldBecomeOne) {
  EXPECT_THAT(usual_names_of({"first_stage_model.decoder.conv_in.bias", "vae.decoder.conv_in.bias"}),
              testing::ElementsAre("first_stage_model.decoder.conv_in.bias", "vae.decoder.conv_in.bias"));
}

TEST(CheckpointNames, ThatNoProgramMissesAreKnown) {
  for (const char* name : {"betas", "model_ema.decay", "model_ema.diffusion_modelout0bias", "scale_factor",
                           "v_pred", "cond_stage_model.logit_scale", "first_stage_model.loss.logvar"})
    EXPECT_TRUE(is_known_to_be_unused(name)) << name;
  for (const char* name : {"model.diffusion_model.out.0.bias", "lora_unet_x.alpha", "something"})
    EXPECT_FALSE(is_known_to_be_unused(name)) << name;
}

}  // namespace
}  // namespace sdlora::model
