// The picture x₀ that a prediction of the UNet (ε or v) stands for.
#pragma once

#include <ATen/core/Tensor.h>

#include "model/noise/noise_schedule.h"

namespace sdlora::model {

// Of x = α x₀ + σ ε with α² + σ² = 1. x, prediction [B, 4, h, w] → [B, 4, h, w]
at::Tensor picture_in_mixture(PredictionType type, const at::Tensor& x, const at::Tensor& prediction,
                              float alpha, float sigma);

// Of x = x₀ + level ε. x, prediction [B, 4, h, w] → [B, 4, h, w]
at::Tensor picture_below_noise(PredictionType type, const at::Tensor& x, const at::Tensor& prediction,
                               float level);

}  // namespace sdlora::model
