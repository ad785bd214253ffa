#include "model/vae/vae.h"

#include <ATen/ATen.h>

namespace sdlora::model {

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
  for (const int64_t channels : vae.block_out_channels)
    if (vae.norm_group_count < 1 || channels < 1 || channels % vae.norm_group_count != 0)
      config.refuse("block_out_channels", "multiples of norm_num_groups");
  return vae;
}

Vae::Vae(const VaeConfig& config, const WeightSource& weights)
    : config_(config), encoder_(weights.at("encoder"), config), decoder_(weights.at("decoder"), config) {
  const int64_t channels = config.latent_channels;
  if (config.has_quant_conv)
    quant_conv_ = Convolution(weights.at("quant_conv"), 2 * channels, 2 * channels, 1);
  if (config.has_post_quant_conv)
    post_quant_conv_ = Convolution(weights.at("post_quant_conv"), channels, channels, 1);
}

Posterior Vae::encode(const at::Tensor& pixels) const {
  at::Tensor moments = encoder_.forward(pixels);  // [B, 2·4, h, w]
  if (config_.has_quant_conv) moments = quant_conv_.forward(moments);
  const auto halves = moments.chunk(2, 1);
  // diffusers DiagonalGaussianDistribution: the log-variance is clamped to -30 … 20.
  return {.mean = halves[0].contiguous(), .std = at::exp(0.5 * at::clamp(halves[1], -30.0, 20.0))};
}

at::Tensor Vae::decode(const at::Tensor& latents) const {
  const at::Tensor x = config_.has_post_quant_conv ? post_quant_conv_.forward(latents) : latents;
  std::vector<at::Tensor> pictures;
  for (int64_t i = 0; i < x.size(0); ++i) pictures.push_back(decoder_.forward(x.narrow(0, i, 1)));
  return at::cat(pictures);
}

}  // namespace sdlora::model
