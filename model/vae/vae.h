// SD's variational autoencoder (diffusers AutoencoderKL; Rombach et al. 2022): pixels to a latent posterior
// and back.
#pragma once

#include "model/loading/weight_source.h"
#include "model/vae/vae_blocks.h"
#include "model/vae/vae_config.h"

namespace sdlora::model {

// A diagonal Gaussian over latents, unscaled, in fp32 whatever the weights' type.
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
