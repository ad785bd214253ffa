// Stable Diffusion's UNet (diffusers UNet2DConditionModel; Rombach et al. 2022): predicts the noise (or the
// velocity) of noisy latents at a timestep, given a caption. Frozen; LoRA attaches through visit_slots.
#pragma once

#include <optional>
#include <vector>

#include "model/unet/timestep_embedding.h"
#include "model/unet/unet_blocks.h"

namespace sdlora::model {

class UNet {
 public:
  UNet(const UNetConfig& config, const WeightSource& weights);

  // latents [B, 4, h, w], timesteps [B] i64, or fp32 from samplers that step between, text_embeddings [B, L,
  // context_channels] → prediction [B, 4, h, w]. All in the mode's type and on its device; h and w at
  // least 2^(levels - 1). `guidance` [B, guidance_channels] (guidance_embedding.h), or undefined: left out,
  // as in training.
  at::Tensor forward(const at::Tensor& latents, const at::Tensor& timesteps,
                     const at::Tensor& text_embeddings, const at::Tensor& guidance = {}) const;

  // Every layer that can take an adapter once, in about the order of diffusers'
  // named_modules: time, down, up, mid, the ends.
  void visit_slots(const SlotVisitor& visitor);

  const UNetConfig& config() const { return config_; }

 private:
  UNetConfig config_;
  ConvolutionSlot conv_in_;
  TimestepEmbedding time_embedding_;
  std::vector<DownBlock> down_blocks_;
  std::optional<MidBlock> mid_block_;  // small distilled models have none
  std::vector<UpBlock> up_blocks_;     // coarsest first
  GroupNorm norm_out_;
  ConvolutionSlot conv_out_;
};

}  // namespace sdlora::model
