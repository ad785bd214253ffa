#include "trainer/optimizers/schedule_free_adamw.h"

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>

#include "common/error.h"
#include "trainer/optimizers/optimizer_arguments.h"

namespace sdlora::trainer {

ScheduleFreeConfig schedule_free_config(const OptimizerOptions& options) {
  ScheduleFreeConfig config;
  OptimizerArguments arguments(options);
  arguments.take_betas(config.beta1, config.beta2);
  arguments.take("eps", config.eps, 1e-30, 1);
  arguments.take("weight_decay", config.weight_decay, 0, 1e10);
  arguments.take("r", config.r, 0, 100);
  arguments.take("weight_lr_power", config.weight_lr_power, 0, 100);
  arguments.refuse_rest();
  if (config.beta1 == 0)
    throw Error(ExitCode::kUsage, {.what = "schedule-free AdamW divides by its first beta",
                                   .expected = "betas=0.9,0.999 or others above 0",
                                   .seen = "0"});
  return config;
}

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

double ScheduleFreeAdamW::step(const at::Tensor& gradients, double learning_rate) {
  const double k = update_count_.item<double>();
  if (k == 0) z_.copy_(parameters_);  // --init-adapter may have changed them since
  const double warmth = std::min(1.0, (k + 1) / static_cast<double>(std::max<int64_t>(1, warmup_steps_)));
  const double rate = learning_rate * warmth;
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
  return rate;
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
