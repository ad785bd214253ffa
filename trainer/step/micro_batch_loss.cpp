#include "trainer/step/micro_batch_loss.h"

#include <ATen/ATen.h>

namespace sdlora::trainer {

Prediction predict(const model::UNet& unet, const model::NoiseSchedule& schedule,
                   const model::ComputeMode& mode, const MicroBatch& batch) {
  const at::Tensor noisy = schedule.add_noise(batch.latents, batch.noise, batch.timesteps);  // [B, 4, h, w]
  return {.output = unet.forward(noisy.to(mode.dtype), batch.timesteps, batch.text_embeddings.to(mode.dtype)),
          .target = schedule.target(batch.latents, batch.noise, batch.timesteps)};
}

Losses losses(const Prediction& prediction, const MicroBatch& batch) {
  const at::Tensor output = prediction.output.to(at::kFloat);  // [B, 4, h, w]
  if (!batch.masks.defined() && !batch.loss_weights.defined())
    return {.mean = at::mse_loss(output, prediction.target),
            .per_sample = (output.detach() - prediction.target).square().mean(at::IntArrayRef{1, 2, 3})};
  at::Tensor errors = (output - prediction.target).square();
  if (batch.masks.defined()) errors = errors * batch.masks;
  const at::Tensor per_sample = errors.mean(at::IntArrayRef{1, 2, 3});  // [B]
  return {.mean = (batch.loss_weights.defined() ? per_sample * batch.loss_weights : per_sample).mean(),
          .per_sample = per_sample.detach()};
}

}  // namespace sdlora::trainer
