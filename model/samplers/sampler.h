// A sampler turns noise into latents along a table of timesteps, asking the UNet at each. Its tables are made
// once, in fp32 on the host; runs keep no state in it, so one sampler serves any number of pictures.
#pragma once

#include <cstdint>
#include <functional>

#include <ATen/core/Tensor.h>

namespace sdlora::model {

class Sampler {
 public:
  // What the UNet predicts (ε or v, as the schedule says) for x at a timestep, which may lie between two.
  // x [B, 4, h, w] → [B, 4, h, w]
  using Denoiser = std::function<at::Tensor(const at::Tensor& x, double timestep)>;
  // The next standard normal values [B, 4, h, w], for a sampler that adds noise on its way.
  using NoiseSource = std::function<at::Tensor()>;

  virtual ~Sampler() = default;

  // Steps from pure noise to the end: usually those asked for; "trailing" spacing may round to one more.
  virtual int64_t step_count() const = 0;

  // Where text-to-image starts. noise: standard normal [B, 4, h, w] → [B, 4, h, w]
  virtual at::Tensor start_from_noise(const at::Tensor& noise) const { return noise; }

  // Where image-to-image starts, before step `first_step`. latents, noise [B, 4, h, w] → [B, 4, h, w]
  virtual at::Tensor add_noise(const at::Tensor& latents, const at::Tensor& noise,
                               int64_t first_step) const = 0;

  // The steps first_step … step_count() - 1 from `x`. fp32, on x's device. [B, 4, h, w] → [B, 4, h, w]
  virtual at::Tensor sample(at::Tensor x, int64_t first_step, const Denoiser& denoise,
                            const NoiseSource& draw_noise) const = 0;
};

}  // namespace sdlora::model
