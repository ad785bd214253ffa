// DPM-Solver++(2M) (Lu et al. 2022, "DPM-Solver++: fast solver for guided sampling of diffusion probabilistic
// models", algorithm 2; diffusers DPMSolverMultistepScheduler): a second-order multistep solver of the
// probability-flow ODE in the predicted picture x₀.
#pragma once

#include <vector>

#include "model/samplers/sampler.h"
#include "model/samplers/sampler_request.h"

namespace sdlora::model {

class Dpmpp2m final : public Sampler {
 public:
  // Known keys of the file, with diffusers' defaults: timestep_spacing (linspace), steps_offset (0),
  // use_karras_sigmas (false), final_sigmas_type (zero), solver_type (midpoint), lower_order_final (true),
  // euler_at_final (false), lambda_min_clipped (-∞). Throws as make_sampler does.
  Dpmpp2m(const ModelConfig& config, const NoiseSchedule& schedule, int64_t step_count,
          bool uses_karras_sigmas);

  int64_t step_count() const override { return static_cast<int64_t>(steps_.size()); }

  at::Tensor add_noise(const at::Tensor& latents, const at::Tensor& noise, int64_t first_step) const override;

  at::Tensor sample(at::Tensor x, int64_t first_step, const Denoiser& denoise,
                    const NoiseSource& draw_noise) const override;

 private:
  // x_next = from_x x + from_picture x₀ + from_change (x₀ - x₀ of the step before)
  struct Step {
    double timestep;
    float alpha;  // signal and noise in x: x = α x₀ + σ ε, α² + σ² = 1
    float sigma;
    float from_x;
    float from_picture;
    float from_change;
  };

  PredictionType prediction_type_;
  std::vector<Step> steps_;
  bool ends_first_order_;
};

}  // namespace sdlora::model
