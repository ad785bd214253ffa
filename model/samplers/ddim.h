// DDIM (Song et al. 2021, "Denoising diffusion implicit models", eq. 12 with η = 0; diffusers DDIMScheduler):
// deterministic, first order.
#pragma once

#include <optional>
#include <vector>

#include "model/samplers/sampler.h"
#include "model/samplers/sampler_request.h"

namespace sdlora::model {

class Ddim final : public Sampler {
 public:
  // Known keys of the file, with diffusers' defaults: timestep_spacing (leading), steps_offset (0),
  // set_alpha_to_one (true), clip_sample (true), clip_sample_range (1). Throws as make_sampler does.
  Ddim(const ModelConfig& config, const NoiseSchedule& schedule, int64_t step_count);

  int64_t step_count() const override { return static_cast<int64_t>(steps_.size()); }

  at::Tensor add_noise(const at::Tensor& latents, const at::Tensor& noise, int64_t first_step) const override;

  at::Tensor sample(at::Tensor x, int64_t first_step, const Denoiser& denoise,
                    const NoiseSource& draw_noise) const override;

 private:
  struct Step {
    double timestep;
    float alpha;  // √ᾱ of this timestep: signal in x
    float sigma;  // √(1-ᾱ): noise in x
    float next_alpha;
    float next_sigma;
  };

  PredictionType prediction_type_;
  std::optional<double> clip_range_;
  std::vector<Step> steps_;
};

}  // namespace sdlora::model
