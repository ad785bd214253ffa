#include "model/vae/vae.h"

#include <ATen/ATen.h>

namespace sdlora::model {

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
  moments = moments.to(at::kFloat);
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
