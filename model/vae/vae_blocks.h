// Encoder and decoder of the VAE (diffusers Encoder, Decoder, DownEncoderBlock2D, UpDecoderBlock2D,
// UNetMidBlock2D).
#pragma once

#include <optional>
#include <vector>

#include "model/layers/linear.h"
#include "model/layers/resnet_block.h"
#include "model/vae/vae_layers.h"

namespace sdlora::model {

struct VaeConfig;

// Single-head attention over the image, on a normalised copy, added back. Its weights have two sets of
// published names: to_q, to_k, to_v, to_out.0, and the older query, key, value, proj_attn.
class VaeAttention {
 public:
  VaeAttention(const WeightSource& weights, int64_t channels, int64_t norm_group_count);
  at::Tensor forward(const at::Tensor& x) const;  // [B, C, h, w] → the same

 private:
  GroupNorm norm_;
  Linear query_, key_, value_, out_;
};

class VaeMidBlock {
 public:
  VaeMidBlock(const WeightSource& weights, int64_t channels, const VaeConfig& config);
  at::Tensor forward(const at::Tensor& x) const;  // [B, C, h, w] → the same

 private:
  VaeResnet resnet1_;
  std::optional<VaeAttention> attention_;
  VaeResnet resnet2_;
};

class VaeEncoder {
 public:
  VaeEncoder(const WeightSource& weights, const VaeConfig& config);
  at::Tensor forward(const at::Tensor& pixels) const;  // [B, 3, H, W] → moments [B, 2·4, h, w]

 private:
  struct Level {
    std::vector<VaeResnet> resnets;
    std::optional<Downsampler> downsampler;
  };

  Convolution conv_in_;
  std::vector<Level> levels_;
  VaeMidBlock mid_block_;
  GroupNorm norm_out_;
  Convolution conv_out_;
};

class VaeDecoder {
 public:
  VaeDecoder(const WeightSource& weights, const VaeConfig& config);
  at::Tensor forward(const at::Tensor& latents) const;  // [B, 4, h, w] → [B, 3, H, W]

 private:
  struct Level {
    std::vector<VaeResnet> resnets;
    std::optional<VaeUpsampler> upsampler;
  };

  Convolution conv_in_;
  VaeMidBlock mid_block_;
  std::vector<Level> levels_;  // coarsest first
  GroupNorm norm_out_;
  Convolution conv_out_;
};

}  // namespace sdlora::model
