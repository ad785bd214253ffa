#include "trainer/optimizers/lion.h"

#include <ATen/ATen.h>

namespace sdlora::trainer {

Lion::Lion(const LionConfig& config, const at::Tensor& parameters, const at::Tensor& rate_factors)
    : Optimizer(parameters, rate_factors), config_(config), moment_(at::zeros_like(parameters)) {}

void Lion::step(const at::Tensor& gradients, double learning_rate) {
  const double decay = learning_rate * config_.weight_decay;
  if (rate_factors_.defined())
    parameters_.mul_(1 - rate_factors_ * decay);
  else
    parameters_.mul_(1 - decay);
  const at::Tensor direction = (moment_ * config_.beta1).add_(gradients, 1 - config_.beta1).sign_();
  parameters_.add_(with_factors(direction), -learning_rate);
  moment_.mul_(config_.beta2).add_(gradients, 1 - config_.beta2);
}

}  // namespace sdlora::trainer
