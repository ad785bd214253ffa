#include "trainer/optimizers/prodigy.h"

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>

namespace sdlora::trainer {
namespace {

at::Tensor number(double value) {
  return at::full({}, value, at::kDouble);
}

// In rows that one thread sums each, so that the sum does not depend on the number of threads.
double sum_of(const at::Tensor& values) {
  constexpr int64_t kRow = 4096;
  const int64_t row_count = values.numel() / kRow;
  const at::Tensor rows =
      values.narrow(0, 0, row_count * kRow).view({row_count, kRow}).sum(1, false, at::kDouble);
  const at::Tensor rest = values.narrow(0, row_count * kRow, values.numel() - row_count * kRow);
  return (rows.sum() + rest.sum(at::kDouble)).item<double>();
}

}  // namespace

Prodigy::Prodigy(const ProdigyConfig& config, const at::Tensor& parameters)
    : Optimizer(parameters),
      config_(config),
      begin_(at::zeros_like(parameters)),
      weighted_gradients_(at::zeros_like(parameters)),
      first_moment_(at::zeros_like(parameters)),
      second_moment_(at::zeros_like(parameters)),
      d_(number(config.d0)),
      greatest_d_(number(config.d0)),
      numerator_(number(0)),
      update_count_(number(0)),
      has_begun_(number(0)) {}

// Algorithm 4 of the paper, in prodigyopt's order: the step is made with the d of before, its ε with the new
// one.
void Prodigy::step(const at::Tensor& gradients, double learning_rate) {
  if (has_begun_.item<double>() == 0) {
    begin_.copy_(parameters_);
    has_begun_.fill_(1);
  }
  const double d = d_.item<double>(), k = update_count_.item<double>();
  if (!(learning_rate > 0)) return;  // the first step of a warm-up: nothing is known yet
  const double beta1 = config_.beta1, beta2 = config_.beta2, beta3 = config_.beta3.value_or(std::sqrt(beta2));
  const double correction =
      config_.corrects_bias ? std::sqrt(1 - std::pow(beta2, k + 1)) / (1 - std::pow(beta1, k + 1)) : 1;
  const double rate = d * learning_rate * correction;
  const bool decays_gradient = config_.weight_decay != 0 && !config_.is_decay_decoupled;
  const at::Tensor gradient = decays_gradient ? gradients.add(parameters_, config_.weight_decay) : gradients;

  const double numerator =
      numerator_.item<double>() * beta3 + d / config_.d0 * rate * sum_of(gradient * (begin_ - parameters_));
  first_moment_.mul_(beta1).add_(gradient, d * (1 - beta1));
  second_moment_.mul_(beta2).addcmul_(gradient, gradient, d * d * (1 - beta2));
  weighted_gradients_.mul_(beta3).add_(gradient, d / config_.d0 * (config_.guards_warmup ? d : rate));
  const double denominator = sum_of(weighted_gradients_.abs());
  if (denominator == 0) return;

  const double estimate = config_.d_coef * numerator / denominator;
  double next_d = d == config_.d0 ? std::max(d, estimate) : d;
  const double greatest = std::max(greatest_d_.item<double>(), estimate);
  next_d = std::min(greatest, next_d * config_.growth_rate);
  numerator_.fill_(numerator);
  greatest_d_.fill_(greatest);
  d_.fill_(next_d);
  update_count_.add_(1);

  const at::Tensor divisor = second_moment_.sqrt().add_(next_d * config_.eps);
  if (config_.weight_decay != 0 && config_.is_decay_decoupled)
    parameters_.mul_(1 - config_.weight_decay * rate);
  parameters_.addcdiv_(first_moment_, divisor, -rate);
}

checkpoint::NamedTensors Prodigy::state() const {
  return {{"begin", begin_},
          {"weighted_gradients", weighted_gradients_},
          {"first_moment", first_moment_},
          {"second_moment", second_moment_},
          {"d", d_},
          {"greatest_d", greatest_d_},
          {"numerator", numerator_},
          {"update_count", update_count_},
          {"has_begun", has_begun_}};
}

}  // namespace sdlora::trainer
