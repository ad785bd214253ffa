#include "trainer/optimizers/schedule_free_adamw.h"

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>

namespace sdlora::trainer {

ScheduleFreeAdamW::ScheduleFreeAdamW(const ScheduleFreeConfig& config, const at::Tensor& parameters,
                                     const at::Tensor& rate_factors, int64_t warmup_steps)
    : Optimizer(parameters, rate_factors),
      config_(config),
      warmup_steps_(warmup_steps),
      z_(parameters.clone()),
      second_moment_(at::zeros_like(parameters)),
      update_count_(at::zeros({}, at::kDouble)),
      greatest_rate_(at::zeros({}, at::kDouble)),
      weight_sum_(at::zeros({}, at::kDouble)) {}

double ScheduleFreeAdamW::rate_of_next_step(double learning_rate) const {
  const double next = update_count_.item<double>() + 1;
  return learning_rate * std::min(1.0, next / static_cast<double>(std::max<int64_t>(1, warmup_steps_)));
}

void ScheduleFreeAdamW::step(const at::Tensor& gradients, double learning_rate) {
  const double k = update_count_.item<double>();
  if (k == 0) z_.copy_(parameters_);  // --init-adapter may have changed them since
  const double rate = rate_of_next_step(learning_rate);
  const double greatest_rate = std::max(greatest_rate_.item<double>(), rate);
  const double weight = std::pow(k + 1, config_.r) * std::pow(greatest_rate, config_.weight_lr_power);
  const double weight_sum = weight_sum_.item<double>() + weight;
  const double share = weight_sum > 0 ? weight / weight_sum : 0;  // c of step k + 1
  second_moment_.mul_(config_.beta2).addcmul_(gradients, gradients, 1 - config_.beta2);
  const at::Tensor divisor =
      (second_moment_ / (1 - std::pow(config_.beta2, k + 1))).sqrt_().add_(config_.eps);
  at::Tensor direction = gradients / divisor;
  if (config_.weight_decay != 0) direction.add_(parameters_, config_.weight_decay);
  direction = with_factors(direction);
  parameters_.lerp_(z_, share).add_(direction, rate * (config_.beta1 * (1 - share) - 1));
  z_.sub_(direction, rate);
  update_count_.fill_(k + 1);
  greatest_rate_.fill_(greatest_rate);
  weight_sum_.fill_(weight_sum);
}

checkpoint::NamedTensors ScheduleFreeAdamW::state() const {
  return {{"y", parameters_},
          {"z", z_},
          {"second_moment", second_moment_},
          {"update_count", update_count_},
          {"greatest_rate", greatest_rate_},
          {"weight_sum", weight_sum_}};
}

at::Tensor ScheduleFreeAdamW::evaluation_parameters() const {
  if (update_count_.item<double>() == 0) return parameters_;
  return at::lerp(parameters_, z_, 1 - 1 / config_.beta1);
}

}  // namespace sdlora::trainer
