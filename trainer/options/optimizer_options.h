// AdamW's settings.
#pragma once

#include "common/options.h"

namespace sdlora::trainer {

struct OptimizerOptions {
  double learning_rate = 1e-5;     // peak
  double max_gradient_norm = 1.0;  // 0: no clipping
  double weight_decay = 0.01;
  double adam_beta1 = 0.9;
  double adam_beta2 = 0.999;
  double adam_eps = 1e-8;

  void declare(OptionGroup group);
};

}  // namespace sdlora::trainer
