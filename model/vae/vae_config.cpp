#include "model/vae/vae_config.h"

namespace sdlora::model {
namespace {

// Bounds for what a damaged file may ask for; Stable Diffusion's VAE has 4 levels of 2 layers.
constexpr size_t kMostVaeLevels = 16;
constexpr int64_t kMostVaeLayers = 1'000;

}  // namespace

VaeConfig VaeConfig::read(const ModelConfig& config) {
  for (const std::string& type : config.texts("down_block_types"))
    if (type != "DownEncoderBlock2D") config.refuse("down_block_types", "only DownEncoderBlock2D");
  for (const std::string& type : config.texts("up_block_types"))
    if (type != "UpDecoderBlock2D") config.refuse("up_block_types", "only UpDecoderBlock2D");
  config.require("act_fn", "\"silu\"");
  for (const char* key : {"shift_factor", "latents_mean", "latents_std"}) config.require(key, "null");
  VaeConfig vae{.in_channels = config.integer("in_channels", 3),
                .out_channels = config.integer("out_channels", 3),
                .latent_channels = config.integer("latent_channels", 4),
                .block_out_channels = config.integers("block_out_channels"),
                .layers_per_block = config.integer("layers_per_block", 1),
                .norm_group_count = config.integer("norm_num_groups", 32),
                .scaling_factor = config.number("scaling_factor", 0.18215),
                .has_quant_conv = config.boolean("use_quant_conv", true),
                .has_post_quant_conv = config.boolean("use_post_quant_conv", true),
                .has_mid_attention = config.boolean("mid_block_add_attention", true)};
  if (vae.block_out_channels.size() > kMostVaeLevels)
    config.refuse("block_out_channels", "at most " + std::to_string(kMostVaeLevels) + " levels");
  for (const auto& [key, count] : {std::pair{"in_channels", vae.in_channels},
                                   {"out_channels", vae.out_channels},
                                   {"latent_channels", vae.latent_channels}})
    if (count < 1) config.refuse(key, "a positive number");
  if (vae.layers_per_block < 1 || vae.layers_per_block > kMostVaeLayers)
    config.refuse("layers_per_block", "1 to " + std::to_string(kMostVaeLayers));
  for (const int64_t channels : vae.block_out_channels)
    if (vae.norm_group_count < 1 || channels < 1 || channels % vae.norm_group_count != 0)
      config.refuse("block_out_channels", "multiples of norm_num_groups");
  return vae;
}

}  // namespace sdlora::model
