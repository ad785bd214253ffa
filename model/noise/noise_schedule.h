// The forward diffusion of training (Ho et al. 2020, eq. 4; diffusers DDPMScheduler): how much noise each
// timestep adds, and what the UNet is asked to predict.
#pragma once

#include <string>

#include <ATen/core/Tensor.h>

#include "model/loading/model_config.h"
#include "model/noise/noise_wish.h"

namespace sdlora::model {

enum class PredictionType { kEpsilon, kVelocity };

// A key of a config that was not read from a scheduler's file: where its prediction type is from.
inline constexpr const char* kSaidBy = "_said_by";

class NoiseSchedule {
 public:
  // From scheduler/scheduler_config.json of any diffusers scheduler with betas; `wish` overrides it. Throws
  // Error(kBadData) naming the key; epsilon prediction with a zero terminal SNR is refused, as Error(kUsage)
  // where `wish` asks for either.
  explicit NoiseSchedule(const ModelConfig& config, const NoiseWish& wish = {});

  // The same, its table also held on `device`, so that tensors there do not wait for it at every call.
  NoiseSchedule on(at::Device device) const;

  int64_t timestep_count() const { return alphas_cumprod_.size(0); }  // T

  PredictionType prediction_type() const { return prediction_type_; }

  bool has_zero_terminal_snr() const { return has_zero_terminal_snr_; }

  // "predicts velocity (scheduler file), zero terminal SNR on (--zero-terminal-snr)": what holds, and from
  // where.
  const std::string& describe() const { return description_; }

  // What decides what is learnt, equal for equal schedules wherever they are from.
  std::string identity() const;

  // [T] f32, on the CPU. The last is 0 where the terminal SNR is.
  const at::Tensor& alphas_cumprod() const { return alphas_cumprod_; }

  // The same with 2^-24 in place of that 0, for those who divide by it (as diffusers' samplers in σ and λ).
  at::Tensor nonzero_alphas_cumprod() const;

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
  PredictionType prediction_type_ = PredictionType::kEpsilon;
  bool has_zero_terminal_snr_ = false;
  std::string description_;
};

}  // namespace sdlora::model
