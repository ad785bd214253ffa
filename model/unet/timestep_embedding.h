// Sinusoidal embedding of the timestep and the MLP behind it (Vaswani et al. 2017, section 3.5; Ho et al.
// 2020; diffusers Timesteps and TimestepEmbedding).
#pragma once

#include "model/layers/slot_visitor.h"
#include "model/unet/unet_config.h"

namespace sdlora::model {

class TimestepEmbedding {
 public:
  TimestepEmbedding(const WeightSource& weights, const UNetConfig& config);

  // timesteps [B] i64 or fp32, guidance [B, guidance_channels] or undefined → [B, 4·C₀] in `dtype`
  at::Tensor forward(const at::Tensor& timesteps, at::ScalarType dtype,
                     const at::Tensor& guidance = {}) const;

  void visit_slots(const std::string& path, const SlotVisitor& visitor);

 private:
  int64_t sinusoid_channels_;
  bool flip_sin_to_cos_;
  double freq_shift_;
  at::Tensor guidance_projection_;  // [C₀, guidance_channels]; undefined: the model has none
  ProjectionSlot linear1_, linear2_;
};

}  // namespace sdlora::model
