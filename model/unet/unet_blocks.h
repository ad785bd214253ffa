// The levels of the UNet (diffusers DownBlock2D, CrossAttnDownBlock2D, UNetMidBlock2DCrossAttn, UpBlock2D,
// CrossAttnUpBlock2D).
#pragma once

#include <optional>
#include <vector>

#include "model/layers/resnet_block.h"
#include "model/unet/transformer.h"
#include "model/unet/unet_config.h"

namespace sdlora::model {

// What every block of one forward sees.
struct UNetConditions {
  at::Tensor time;             // [B, time_channels] after SiLU
  at::Tensor text_embeddings;  // [B, L, context_channels]
};

// Residual blocks, each with a transformer where the level has attention, then half the resolution.
class DownBlock {
 public:
  DownBlock(const WeightSource& weights, const UNetConfig& config, size_t level);

  // x [B, C', h, w] → [B, C, h/2, w/2]; every intermediate result is pushed on `skips`.
  at::Tensor forward(at::Tensor x, const UNetConditions& conditions, std::vector<at::Tensor>& skips) const;

  void visit_slots(const std::string& path, const SlotVisitor& visitor);

 private:
  std::vector<ResnetBlock> resnets_;
  std::vector<Transformer> transformers_;  // as many as resnets_, or none
  std::optional<Downsampler> downsampler_;
};

// Residual block, transformer, residual block at the coarsest resolution.
class MidBlock {
 public:
  MidBlock(const WeightSource& weights, const UNetConfig& config);

  at::Tensor forward(const at::Tensor& x, const UNetConditions& conditions) const;  // [B, C, h, w] → the same

  void visit_slots(const std::string& path, const SlotVisitor& visitor);

 private:
  ResnetBlock resnet1_;
  Transformer transformer_;
  ResnetBlock resnet2_;
};

// Residual blocks over [x, skip], then the resolution of the next finer level's skips.
class UpBlock {
 public:
  UpBlock(const WeightSource& weights, const UNetConfig& config, size_t level);

  // Takes its skips from the end of `skips`. x [B, C', h, w] → [B, C, 2h, 2w]
  at::Tensor forward(at::Tensor x, const UNetConditions& conditions, std::vector<at::Tensor>& skips) const;

  void visit_slots(const std::string& path, const SlotVisitor& visitor);

 private:
  std::vector<ResnetBlock> resnets_;
  std::vector<Transformer> transformers_;  // as many as resnets_, or none
  std::optional<Upsampler> upsampler_;
};

}  // namespace sdlora::model
