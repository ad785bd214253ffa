// Euler's method with ancestral noise (Crowson's k-diffusion, sample_euler_ancestral, after Karras et al.
// 2022; diffusers EulerAncestralDiscreteScheduler): each step goes below the next noise level and adds fresh
// noise up to it. Here x has signal 1 and noise σ, not the variance-preserving mixture.
#pragma once

#include <vector>

#include "model/samplers/sampler.h"
#include "model/samplers/sampler_request.h"

namespace sdlora::model {

class EulerAncestral final : public Sampler {
 public:
  // Known keys of the file, with diffusers' defaults: timestep_spacing (linspace, not rounded), steps_offset
  // (0). Throws as make_sampler does.
  EulerAncestral(const ModelConfig& config, const NoiseSchedule& schedule, int64_t step_count);

  int64_t step_count() const override { return static_cast<int64_t>(steps_.size()); }

  at::Tensor start_from_noise(const at::Tensor& noise) const override { return noise * first_level_; }

  at::Tensor add_noise(const at::Tensor& latents, const at::Tensor& noise, int64_t first_step) const override;

  // Draws noise after every step but the last.
  at::Tensor sample(at::Tensor x, int64_t first_step, const Denoiser& denoise,
                    const NoiseSource& draw_noise) const override;

 private:
  struct Step {
    double timestep;
    float level;  // σ of x
    float down;   // the level that the step itself reaches
    float up;     // and the noise that is added after it
  };

  PredictionType prediction_type_;
  std::vector<Step> steps_;
  float first_level_;
};

}  // namespace sdlora::model
