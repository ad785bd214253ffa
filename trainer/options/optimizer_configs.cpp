#include "trainer/options/optimizer_configs.h"

#include "common/error.h"
#include "trainer/options/optimizer_arguments.h"

namespace sdlora::trainer {
namespace {

constexpr double kGreatestWeightDecay = 1e10;
// A product that fp32 still has: smaller ones are 0, and 0 / 0 is no number.
constexpr double kLeastProduct = 1e-36;

}  // namespace

AdamWConfig adamw_config(const OptimizerOptions& options) {
  AdamWConfig config{.beta1 = options.adam_beta1,
                     .beta2 = options.adam_beta2,
                     .eps = options.adam_eps,
                     .weight_decay = options.weight_decay};
  OptimizerArguments arguments(options);
  arguments.take_betas(config.beta1, config.beta2);
  arguments.take("eps", config.eps, kLeastEps, 1);
  arguments.take("weight_decay", config.weight_decay, 0, kGreatestWeightDecay);
  arguments.refuse_rest();
  return config;
}

LionConfig lion_config(const OptimizerOptions& options) {
  LionConfig config;
  OptimizerArguments arguments(options);
  arguments.take_betas(config.beta1, config.beta2);
  arguments.take("weight_decay", config.weight_decay, 0, kGreatestWeightDecay);
  arguments.refuse_rest();
  return config;
}

AdafactorConfig adafactor_config(const OptimizerOptions& options) {
  AdafactorConfig config;
  OptimizerArguments arguments(options);
  arguments.take_pair("eps", config.square_eps, config.least_scale);
  if (config.square_eps < kLeastProduct)
    arguments.refuse("eps of 1e-36 or more for squares", config.square_eps);
  arguments.take("clip_threshold", config.clip_threshold, 1e-6, 1e6);
  arguments.take("decay_rate", config.decay_rate, -10, 0);
  arguments.take("beta1", config.beta1, 0, kLargestDecay);
  arguments.take("weight_decay", config.weight_decay, 0, kGreatestWeightDecay);
  arguments.take("scale_parameter", config.scales_by_parameters);
  arguments.take("relative_step", config.has_relative_step);
  arguments.take("warmup_init", config.has_warmup_init);
  arguments.refuse_rest();
  if (config.has_warmup_init && !config.has_relative_step)
    throw Error(ExitCode::kUsage, {.what = "Adafactor's warmup_init needs relative_step",
                                   .expected = "--optimizer-args \"relative_step=true warmup_init=true\"",
                                   .seen = "relative_step=false",
                                   .advice = "leave one out; --warmup-steps warms up, too"});
  return config;
}

ProdigyConfig prodigy_config(const OptimizerOptions& options) {
  ProdigyConfig config;
  OptimizerArguments arguments(options);
  arguments.take_betas(config.beta1, config.beta2);
  arguments.take("beta3", config.beta3, 0, kLargestDecay);
  arguments.take("eps", config.eps, kLeastEps, 1);
  arguments.take("weight_decay", config.weight_decay, 0, kGreatestWeightDecay);
  arguments.take("decouple", config.is_decay_decoupled);
  arguments.take("use_bias_correction", config.corrects_bias);
  arguments.take("safeguard_warmup", config.guards_warmup);
  arguments.take("d0", config.d0, kLeastEps, 1);
  arguments.take("d_coef", config.d_coef, 1e-6, 1e6);
  if (config.d0 * config.eps < kLeastProduct)
    arguments.refuse("d0 times eps of 1e-36 or more", config.d0 * config.eps);
  arguments.take("growth_rate", config.growth_rate, 1, 1e30);
  arguments.refuse_rest();
  return config;
}

ScheduleFreeConfig schedule_free_config(const OptimizerOptions& options) {
  ScheduleFreeConfig config;
  OptimizerArguments arguments(options);
  arguments.take_betas(config.beta1, config.beta2);
  arguments.take("eps", config.eps, kLeastEps, 1);
  arguments.take("weight_decay", config.weight_decay, 0, kGreatestWeightDecay);
  arguments.take("r", config.r, 0, 100);
  arguments.take("weight_lr_power", config.weight_lr_power, 0, 100);
  arguments.refuse_rest();
  if (config.beta1 == 0)
    throw Error(ExitCode::kUsage, {.what = "schedule-free AdamW divides by its first beta",
                                   .expected = "betas=0.9,0.999 or others above 0",
                                   .seen = "0"});
  return config;
}

double weight_decay_of(const OptimizerOptions& options) {
  switch (options.kind) {
    case OptimizerKind::kAdamW:
      break;
    case OptimizerKind::kLion:
      return lion_config(options).weight_decay;
    case OptimizerKind::kAdafactor:
      return adafactor_config(options).weight_decay;
    case OptimizerKind::kProdigy:
      return prodigy_config(options).weight_decay;
    case OptimizerKind::kScheduleFreeAdamW:
      return schedule_free_config(options).weight_decay;
  }
  return adamw_config(options).weight_decay;
}

bool takes_learning_rate(const OptimizerOptions& options) {
  return options.kind != OptimizerKind::kAdafactor || !adafactor_config(options).has_relative_step;
}

bool takes_schedule(const OptimizerOptions& options) {
  return options.kind != OptimizerKind::kScheduleFreeAdamW && takes_learning_rate(options);
}

}  // namespace sdlora::trainer
