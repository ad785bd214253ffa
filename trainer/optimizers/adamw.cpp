#include "trainer/optimizers/adamw.h"

#include <ATen/ATen.h>

#include "trainer/optimizers/optimizer_arguments.h"

namespace sdlora::trainer {

AdamWConfig adamw_config(const OptimizerOptions& options) {
  AdamWConfig config{.beta1 = options.adam_beta1,
                     .beta2 = options.adam_beta2,
                     .eps = options.adam_eps,
                     .weight_decay = options.weight_decay};
  OptimizerArguments arguments(options);
  arguments.take_betas(config.beta1, config.beta2);
  arguments.take("eps", config.eps, 1e-30, 1);
  arguments.take("weight_decay", config.weight_decay, 0, 1e10);
  arguments.refuse_rest();
  return config;
}

AdamW::AdamW(const AdamWConfig& config, const at::Tensor& parameters)
    : Optimizer(parameters),
      config_(config),
      first_moment_(at::zeros_like(parameters)),
      second_moment_(at::zeros_like(parameters)),
      update_count_(at::zeros({}, parameters.options())) {}

double AdamW::step(const at::Tensor& gradients, double learning_rate) {
  update_count_.add_(1);
  at::_fused_adamw_({parameters_}, {gradients}, {first_moment_}, {second_moment_}, /*max_exp_avg_sqs=*/{},
                    {update_count_}, learning_rate, config_.beta1, config_.beta2, config_.weight_decay,
                    config_.eps,
                    /*amsgrad=*/false, /*maximize=*/false);
  // The fused kernel does not count as a change in place; LoRA's merged or rounded weights are made anew by
  // that count.
  parameters_.unsafeGetTensorImpl()->bump_version();
  return learning_rate;
}

checkpoint::NamedTensors AdamW::state() const {
  return {
      {"first_moment", first_moment_}, {"second_moment", second_moment_}, {"update_count", update_count_}};
}

}  // namespace sdlora::trainer
