// The forward diffusion of training (Ho et al. 2020, eq. 4; diffusers DDPMScheduler): how much noise each
// timestep adds, and what the UNet is asked to predict.
#pragma once

#include <ATen/core/Tensor.h>

#include "model/loading/model_config.h"

namespace sdlora::model {

enum class PredictionType { kEpsilon, kVelocity };

class NoiseSchedule {
 public:
  // From scheduler/scheduler_config.json of any diffusers scheduler. Throws Error(kBadData) naming the key.
  explicit NoiseSchedule(const ModelConfig& config);

  // The same, its table also held on `device`, so that tensors there do not wait for it at every call.
  NoiseSchedule on(at::Device device) const;

  int64_t timestep_count() const { return alphas_cumprod_.size(0); }  // T

  PredictionType prediction_type() const { return prediction_type_; }

  const at::Tensor& alphas_cumprod() const { return alphas_cumprod_; }  // [T] f32, on the CPU

  // √ᾱ_t x + √(1-ᾱ_t) ε.  latents, noise [B, 4, h, w], timesteps [B] i64 → [B, 4, h, w]
  at::Tensor add_noise(const at::Tensor& latents, const at::Tensor& noise, const at::Tensor& timesteps) const;

  // What the UNet should say: ε, or the velocity √ᾱ_t ε - √(1-ᾱ_t) x (Salimans and Ho 2022, eq. in appendix
  // D). [B, 4, h, w]
  at::Tensor target(const at::Tensor& latents, const at::Tensor& noise, const at::Tensor& timesteps) const;

  // How much more of the picture is left than noise was added, ᾱ_t / (1-ᾱ_t); what weightings of the loss are
  // made of (Hang et al. 2023, "Efficient Diffusion Training via Min-SNR Weighting Strategy"; diffusers
  // compute_snr). timesteps [B] i64 → [B] f32, on their device.
  at::Tensor snr(const at::Tensor& timesteps) const;

 private:
  at::Tensor alphas_cumprod_;            // on the CPU
  at::Tensor alphas_cumprod_on_device_;  // where timesteps are looked up
  PredictionType prediction_type_;
};

}  // namespace sdlora::model
