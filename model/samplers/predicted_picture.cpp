#include "model/samplers/predicted_picture.h"

#include <cmath>

#include <ATen/ATen.h>

namespace sdlora::model {

at::Tensor picture_in_mixture(PredictionType type, const at::Tensor& x, const at::Tensor& prediction,
                              float alpha, float sigma) {
  return type == PredictionType::kEpsilon ? (x - sigma * prediction) / alpha : alpha * x - sigma * prediction;
}

at::Tensor picture_below_noise(PredictionType type, const at::Tensor& x, const at::Tensor& prediction,
                               float level) {
  if (type == PredictionType::kEpsilon) return x - level * prediction;
  const float variance =
      level * level + 1;  // c_skip and c_out of Karras et al. 2022, table 1, with unit data
  return prediction * (-level / std::sqrt(variance)) + x / variance;
}

}  // namespace sdlora::model
