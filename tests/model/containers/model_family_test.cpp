#include "model/containers/model_family.h"

#include <gmock/gmock.h>

#include "tests/support/error_of.h"

namespace sdlora::model {
namespace {

using testing::HasSubstr;
using Shapes = std::map<std::string, std::vector<int64_t>>;

std::string verdict_on(const Shapes& shapes) {
  StoredWeights weights;
  for (const auto& [name, shape] : shapes) weights[name].shape = shape;
  return error_of([&] { require_stable_diffusion(weights, "file.safetensors"); });
}

// A UNet of Stable Diffusion but for what is said.
std::string verdict_on_unet(int64_t input_channels, int64_t context_width, const Shapes& more = {}) {
  Shapes shapes{{"model.diffusion_model.input_blocks.0.0.weight", {320, input_channels, 3, 3}},
                {"model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight",
                 {320, context_width}}};
  shapes.insert(more.begin(), more.end());
  return verdict_on(shapes);
}

TEST(ModelFamily, LetsStableDiffusionPass) {
  EXPECT_EQ(verdict_on_unet(4, 768), "nothing was thrown");
  EXPECT_EQ(verdict_on_unet(4, 1024), "nothing was thrown");
  EXPECT_EQ(verdict_on_unet(4, 768, {{"lora_te_x.lora_down.weight", {4, 768}}}), "nothing was thrown");
}

TEST(ModelFamily, NamesOtherModelsByTheirShapes) {
  EXPECT_THAT(verdict_on_unet(4, 2048), HasSubstr("65 this file is SDXL"));
  EXPECT_THAT(verdict_on_unet(9, 2048), HasSubstr("SDXL inpainting"));
  EXPECT_THAT(verdict_on_unet(4, 1280), HasSubstr("the SDXL refiner"));
  EXPECT_THAT(verdict_on_unet(9, 768), HasSubstr("an inpainting model"));
  EXPECT_THAT(verdict_on_unet(8, 768), HasSubstr("instruct-pix2pix"));
  EXPECT_THAT(verdict_on_unet(5, 1024), HasSubstr("with depth"));
  EXPECT_THAT(verdict_on_unet(7, 1024), HasSubstr("the x4 upscaler"));
  EXPECT_THAT(verdict_on_unet(4, 1024, {{"model.diffusion_model.label_emb.0.0.weight", {1280, 1536}}}),
              HasSubstr("unCLIP"));
  EXPECT_THAT(
      verdict_on_unet(4, 1024, {{"model.diffusion_model.input_blocks.1.1.time_stack.0.norm1.bias", {320}}}),
      HasSubstr("Stable Video Diffusion"));
}

TEST(ModelFamily, NamesOtherModelsByTheirTensors) {
  EXPECT_THAT(
      verdict_on({{"model.diffusion_model.joint_blocks.0.context_block.adaLN_modulation.1.bias", {1}}}),
      HasSubstr("Stable Diffusion 3"));
  EXPECT_THAT(verdict_on({{"double_blocks.0.img_attn.norm.key_norm.scale", {128}}}), HasSubstr("Flux"));
  EXPECT_THAT(verdict_on({{"control_model.time_embed.0.weight", {1, 1}}}), HasSubstr("a ControlNet"));
  EXPECT_THAT(verdict_on({{"cond_stage_model.roberta.embeddings.word_embeddings.weight", {1, 1}}}),
              HasSubstr("AltDiffusion"));
}

TEST(ModelFamily, NamesFilesThatAreNoModelAndSaysWhereTheyBelong) {
  EXPECT_THAT(verdict_on({{"lora_unet_mid_block_attentions_0_proj_in.lora_down.weight", {4, 1280}}}),
              testing::AllOf(HasSubstr("a LoRA"), HasSubstr("--init-adapter")));
  EXPECT_THAT(verdict_on({{"unet.x.lora_A.weight", {4, 1280}}}), HasSubstr("a LoRA"));
  EXPECT_THAT(verdict_on({{"emb_params", {3, 768}}}), HasSubstr("embedding"));
  EXPECT_THAT(verdict_on({{"<cat>", {768}}}), HasSubstr("embedding"));
  EXPECT_THAT(verdict_on({{"first_stage_model.decoder.conv_in.weight", {512, 4, 3, 3}}}),
              testing::AllOf(HasSubstr("a VAE alone"), HasSubstr("--vae")));
  EXPECT_THAT(verdict_on({{"conv_in.weight", {320, 4, 3, 3}},
                          {"down_blocks.0.resnets.0.norm1.bias", {320}},
                          {"conv_out.bias", {4}}}),
              HasSubstr("a UNet in diffusers' names"));
  EXPECT_THAT(verdict_on({{"text_model.embeddings.token_embedding.weight", {49408, 768}}, {"a", {1, 1, 1}}}),
              HasSubstr("a text encoder alone"));
  EXPECT_THAT(verdict_on({{"model_ema.diffusion_modelout0bias", {4}}, {"a", {1, 1, 1}}}),
              HasSubstr("only EMA weights"));
  EXPECT_THAT(verdict_on({{"a", {1, 1, 1}}, {"b", {2, 2, 2}}}), HasSubstr("2 tensors: a, b"));
}

}  // namespace
}  // namespace sdlora::model
