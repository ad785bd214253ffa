// The residual block of the UNet (diffusers ResnetBlock2D): norm, SiLU, convolution, twice, with the time
// added between.
#pragma once

#include "model/layers/normalization.h"
#include "model/layers/slot_visitor.h"

namespace sdlora::model {

struct ResnetShape {
  int64_t in_channels;
  int64_t out_channels;
  int64_t time_channels;
  int64_t norm_group_count;
  double norm_eps;
};

class ResnetBlock {
 public:
  ResnetBlock(const WeightSource& weights, const ResnetShape& shape);

  // x [B, in, h, w], time [B, time_channels] after SiLU → [B, out, h, w]
  at::Tensor forward(const at::Tensor& x, const at::Tensor& time) const;

  void visit_slots(const std::string& path, const SlotVisitor& visitor);

 private:
  GroupNorm norm1_, norm2_;
  ConvolutionSlot conv1_, conv2_;
  ConvolutionSlot shortcut_;  // 1×1, where in and out differ; else null
  ProjectionSlot time_proj_;
};

// Halves h and w (diffusers Downsample2D). The VAE pads right and bottom only.
class Downsampler {
 public:
  Downsampler(const WeightSource& weights, int64_t channels, int64_t padding_cells);
  at::Tensor forward(const at::Tensor& x) const;  // [B, C, h, w] → [B, C, h/2, w/2]

  void visit_slots(const std::string& path, const SlotVisitor& visitor);

 private:
  bool pads_right_and_bottom_;
  ConvolutionSlot conv_;
};

// Nearest-neighbour to the wanted size, then a convolution (diffusers Upsample2D).
class Upsampler {
 public:
  Upsampler(const WeightSource& weights, int64_t channels);
  at::Tensor forward(const at::Tensor& x, int64_t height,
                     int64_t width) const;  // [B, C, h, w] → [B, C, height, width]

  void visit_slots(const std::string& path, const SlotVisitor& visitor);

 private:
  ConvolutionSlot conv_;
};

}  // namespace sdlora::model
