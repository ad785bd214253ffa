// The shape of a VAE, from diffusers' vae/config.json (AutoencoderKL).
#pragma once

#include <vector>

#include "model/loading/model_config.h"

namespace sdlora::model {

struct VaeConfig {
  int64_t in_channels;
  int64_t out_channels;
  int64_t latent_channels;
  std::vector<int64_t> block_out_channels;
  int64_t layers_per_block;
  int64_t norm_group_count;
  double scaling_factor;  // the UNet sees latents × this
  bool has_quant_conv;
  bool has_post_quant_conv;
  bool has_mid_attention;

  static VaeConfig read(const ModelConfig& config);

  // Pixels per latent cell along a side: 8 in SD 1.5.
  int64_t downscale() const { return int64_t{1} << (block_out_channels.size() - 1); }
};

}  // namespace sdlora::model
