#include "trainer/optimizers/gradient_clipping.h"

#include <ATen/ATen.h>

namespace sdlora::trainer {

double clip_gradient_norm(at::Tensor& gradients, double max_norm) {
  const double norm =
      at::linalg_vector_norm(gradients, 2, std::nullopt, /*keepdim=*/false, at::kDouble).item<double>();
  if (const double factor = clip_factor(norm, max_norm); factor < 1) gradients.mul_(factor);
  return norm;
}

double clip_factor(double norm, double max_norm) {
  constexpr double kEps = 1e-6;  // as torch's
  return max_norm > 0 && norm > max_norm ? max_norm / (norm + kEps) : 1;
}

}  // namespace sdlora::trainer
