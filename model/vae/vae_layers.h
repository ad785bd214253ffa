// The residual block and the upsampler of the VAE (diffusers ResnetBlock2D without time, Upsample2D), in
// bands of rows.
#pragma once

#include "model/vae/vae_row_bands.h"

namespace sdlora::model {

inline constexpr double kVaeNormEps = 1e-6;

class VaeResnet {
 public:
  VaeResnet(const WeightSource& weights, int64_t in_channels, int64_t out_channels, int64_t norm_group_count);
  at::Tensor forward(const at::Tensor& x) const;  // [B, in, h, w] → [B, out, h, w]

 private:
  GroupNorm norm1_, norm2_;
  Convolution conv1_, conv2_;
  Convolution shortcut_;  // 1×1, where in and out differ
};

// Nearest-neighbour to twice the size, then a convolution.
class VaeUpsampler {
 public:
  VaeUpsampler(const WeightSource& weights, int64_t channels);
  at::Tensor forward(const at::Tensor& x) const;  // [B, C, h, w] → [B, C, 2h, 2w]

 private:
  Convolution conv_;
};

}  // namespace sdlora::model
