// SD's variational autoencoder (diffusers AutoencoderKL; Rombach et al. 2022): pixels to a latent posterior
// and back.
#pragma once

#include <vector>

#include "model/loading/model_config.h"
#include "model/loading/weight_source.h"
#include "model/vae/vae_blocks.h"

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

// A diagonal Gaussian over latents, unscaled.
struct Posterior {
  at::Tensor mean;  // [B, 4, h, w]
  at::Tensor std;   // [B, 4, h, w]
};

class Vae {
 public:
  Vae(const VaeConfig& config, const WeightSource& weights);

  // pixels [B, 3, H, W] in -1 … 1; H and W multiples of downscale()
  Posterior encode(const at::Tensor& pixels) const;

  // latents [B, 4, h, w], already divided by the scaling factor → pixels [B, 3, 8h, 8w], about -1 … 1, not
  // clamped. One picture at a time: memory does not grow with B, and is about 2.5 GB for 1024² pixels in
  // fp32.
  at::Tensor decode(const at::Tensor& latents) const;

  const VaeConfig& config() const { return config_; }

 private:
  VaeConfig config_;
  VaeEncoder encoder_;
  VaeDecoder decoder_;
  Convolution quant_conv_;
  Convolution post_quant_conv_;
};

}  // namespace sdlora::model
