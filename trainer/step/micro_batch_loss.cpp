#include "trainer/step/micro_batch_loss.h"

#include <ATen/ATen.h>

namespace sdlora::trainer {
namespace {

// √(d² + c²) - c as d² / (√(d² + c²) + c), which does not lose the digits of a small d. [B, 4, h, w]
at::Tensor pseudo_huber(const at::Tensor& difference, const at::Tensor& c) {
  const at::Tensor square = difference.square();
  return square / ((square + c.square()).sqrt() + c);
}

// [B, 4, h, w], of each cell; huber_c [B].
at::Tensor cell_losses(LossKind kind, const at::Tensor& difference, const at::Tensor& huber_c) {
  switch (kind) {
    case LossKind::kMse:
      break;
    case LossKind::kL1:
      return difference.abs();
    case LossKind::kHuber: {
      const at::Tensor c = huber_c.view({-1, 1, 1, 1});
      return 2 * c * pseudo_huber(difference, c);
    }
    case LossKind::kSmoothL1:
      return 2 * pseudo_huber(difference, huber_c.view({-1, 1, 1, 1}));
  }
  return difference.square();
}

// [B], of [B, 4, h, w]: the means over all cells.
at::Tensor means_of_samples(const at::Tensor& cells, const at::Tensor& masks) {
  return (masks.defined() ? cells * masks : cells).mean(at::IntArrayRef{1, 2, 3});
}

}  // namespace

Prediction predict(const Networks& networks, const model::NoiseSchedule& schedule,
                   const model::ComputeMode& mode, const MicroBatch& batch) {
  const at::Tensor& added = batch.added_noise.defined() ? batch.added_noise : batch.noise;
  const at::Tensor noisy = schedule.add_noise(batch.latents, added, batch.timesteps);  // [B, 4, h, w]
  const at::Tensor text = networks.text_reader == nullptr ? batch.text_embeddings.to(mode.dtype)
                                                          : networks.text_reader->encode(batch.token_ids);
  return {.output = networks.unet.forward(noisy.to(mode.dtype), batch.timesteps, text),
          .target = schedule.target(batch.latents, batch.noise, batch.timesteps)};
}

Losses losses(LossKind kind, const Prediction& prediction, const MicroBatch& batch) {
  const at::Tensor output = prediction.output.to(at::kFloat);  // [B, 4, h, w]
  const auto shown = [&] {                                     // [B]
    return means_of_samples((output.detach() - prediction.target).square(), batch.masks);
  };
  if (kind == LossKind::kMse && !batch.masks.defined() && !batch.loss_weights.defined())
    return {.mean = at::mse_loss(output, prediction.target), .per_sample = shown()};
  const at::Tensor trained =
      means_of_samples(cell_losses(kind, output - prediction.target, batch.huber_c), batch.masks);  // [B]
  return {.mean = (batch.loss_weights.defined() ? trained * batch.loss_weights : trained).mean(),
          .per_sample = kind == LossKind::kMse ? trained.detach() : shown()};
}

}  // namespace sdlora::trainer
