#include "inference/guidance.h"

#include <ATen/ATen.h>

#include "model/unet/guidance_embedding.h"

namespace sdlora::inference {

model::Sampler::Denoiser guided_denoiser(const model::UNet& unet, const model::ComputeMode& mode,
                                         const PromptEmbeddings& prompts, double guidance_scale) {
  const int64_t guidance_channels = unet.config().guidance_channels;
  const bool is_guided = guidance_scale > 1 && guidance_channels == 0;
  at::Tensor guidance;  // [B, guidance_channels]
  if (guidance_channels > 0)
    guidance = model::guidance_embedding(guidance_scale, guidance_channels)
                   .to(mode.device, mode.dtype)
                   .expand({prompts.text_embeddings.size(0), guidance_channels});
  const at::Tensor text_embeddings =  // [B or 2 B, L, C]
      (is_guided ? at::cat({prompts.negatives, prompts.text_embeddings}) : prompts.text_embeddings)
          .to(mode.device, mode.dtype);
  return [&unet, mode, text_embeddings, guidance, guidance_scale, is_guided](const at::Tensor& x,
                                                                             double timestep) {
    const at::Tensor input = (is_guided ? at::cat({x, x}) : x).to(mode.dtype);
    const at::Tensor timesteps =
        at::full({input.size(0)}, timestep, at::TensorOptions(mode.device).dtype(at::kFloat));
    at::Tensor prediction = unet.forward(input, timesteps, text_embeddings, guidance).to(at::kFloat);
    if (!is_guided) return prediction;
    const std::vector<at::Tensor> halves = prediction.chunk(2);
    return halves[0] + guidance_scale * (halves[1] - halves[0]);
  };
}

}  // namespace sdlora::inference
