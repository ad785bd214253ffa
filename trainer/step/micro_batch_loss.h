// What is computed of a micro-batch: noise, prediction, loss. The step, the validation and --replay all ask
// here, so that they cannot differ.
#pragma once

#include "model/loading/compute_mode.h"
#include "model/noise/noise_schedule.h"
#include "trainer/batches/micro_batch.h"
#include "trainer/options/loss_options.h"
#include "trainer/step/networks.h"

namespace sdlora::trainer {

struct Prediction {
  at::Tensor output;  // [B, 4, h, w], in the type that the model computes in
  at::Tensor target;  // [B, 4, h, w] f32
};

// Corrupts the latents, x_t = √ᾱ_t x + √(1-ᾱ_t) ε', and lets the model predict ε (or the velocity); ε' is ε,
// or with input perturbation (Ning et al. 2023) ε + γ ξ. Of `batch` only the tensors are read. Waits for no
// device.
Prediction predict(const Networks& networks, const model::NoiseSchedule& schedule,
                   const model::ComputeMode& mode, const MicroBatch& batch);

struct Losses {
  at::Tensor mean;        // [] f32, what is trained on, with its backward
  at::Tensor per_sample;  // [B] f32, to look at, without
};

// Losses in fp32, whatever the model computes in: of each sample the mean over all cells, times the mask's
// weights (kohya's masked loss, sd-scripts apply_masked_loss: divided by all cells, not by the mask's); over
// the samples the mean, times their weights (divided by B, not by the weights' sum). With d = prediction -
// target, a cell's loss is d² (mse), |d| (l1), 2c (√(d² + c²) - c) (huber) or 2 (√(d² + c²) - c) (smooth_l1),
// of kohya's conditional_loss; c by sample. Of `batch` the masks, weights and c are read. Waits for no
// device.
//
// `per_sample` is the mean squared error with masks, whatever is trained on, and without the samples'
// weights, so that metrics and validation compare runs of different losses and weightings.
Losses losses(LossKind kind, const Prediction& prediction, const MicroBatch& batch);

}  // namespace sdlora::trainer
