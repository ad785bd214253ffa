#include "inference/guidance.h"

#include <ATen/ATen.h>

namespace sdlora::inference {

model::Sampler::Denoiser guided_denoiser(const model::UNet& unet, const model::Placement& placement,
                                         const PromptEmbeddings& prompts, double guidance_scale) {
  const bool is_guided = guidance_scale > 1;
  const at::Tensor captions =  // [B or 2 B, L, C]
      (is_guided ? at::cat({prompts.negatives, prompts.captions}) : prompts.captions)
          .to(placement.device, placement.dtype);
  return [&unet, placement, captions, guidance_scale, is_guided](const at::Tensor& x, double timestep) {
    const at::Tensor input = (is_guided ? at::cat({x, x}) : x).to(placement.dtype);
    const at::Tensor timesteps =
        at::full({input.size(0)}, timestep, at::TensorOptions(placement.device).dtype(at::kFloat));
    const at::Tensor prediction = unet.forward(input, timesteps, captions).to(at::kFloat);
    if (!is_guided) return prediction;
    const std::vector<at::Tensor> halves = prediction.chunk(2);
    return halves[0] + guidance_scale * (halves[1] - halves[0]);
  };
}

}  // namespace sdlora::inference
