// What is computed of a micro-batch: noise, prediction, loss. The step, the validation and --replay all ask
// here, so that they cannot differ.
#pragma once

#include "model/loading/compute_mode.h"
#include "model/noise/noise_schedule.h"
#include "model/unet/unet.h"
#include "trainer/batches/micro_batch.h"

namespace sdlora::trainer {

struct Prediction {
  at::Tensor output;  // [B, 4, h, w], in the type that the model computes in
  at::Tensor target;  // [B, 4, h, w] f32
};

// Corrupts the latents, x_t = √ᾱ_t x + √(1-ᾱ_t) ε, and lets the model predict ε (or the velocity). Of `batch`
// only the tensors are read. Waits for no device.
Prediction predict(const model::UNet& unet, const model::NoiseSchedule& schedule,
                   const model::ComputeMode& mode, const MicroBatch& batch);

struct Losses {
  at::Tensor mean;        // [] f32, what is trained on, with its backward
  at::Tensor per_sample;  // [B] f32, to look at, without
};

// Mean squared errors in fp32, whatever the model computes in: of each sample the mean over all cells, times
// the mask's weights (kohya's masked loss, sd-scripts apply_masked_loss: divided by all cells, not by the
// mask's); over the samples the mean, times their weights (divided by B, not by the weights' sum). Of `batch`
// the masks and weights are read. Waits for no device.
//
// This is where a weighting of the samples belongs (by timestep, as min-SNR: NoiseSchedule::snr): in `mean`.
// `per_sample` has the masks, but not the samples' weights, so that metrics and validation compare runs of
// different weightings.
Losses losses(const Prediction& prediction, const MicroBatch& batch);

}  // namespace sdlora::trainer
