// Which optimiser, and its settings.
#pragma once

#include <string>
#include <vector>

#include "common/options.h"

namespace sdlora::trainer {

enum class OptimizerKind { kAdamW, kLion, kAdafactor, kProdigy, kScheduleFreeAdamW };

Words<OptimizerKind> optimizer_words();

struct OptimizerOptions {
  OptimizerKind kind = OptimizerKind::kAdamW;
  std::vector<std::string> arguments;  // "name=value …", by its original's names
  double learning_rate = 1e-5;         // peak
  double text_encoder_rate = 0;        // likewise, of the text encoder's adapters; 0: learning_rate
  double max_gradient_norm = 1.0;      // 0: no clipping
  double lora_plus_ratio = 0;          // of B's learning rate to A's; 0: 1
  double max_weight_norm = 0;          // of what a module adds to its weight; 0: any
  double ema_decay = 0;                // of the moving average of what is trained; 0: none
  double weight_decay = 0.01;          // this and those below: of AdamW
  double adam_beta1 = 0.9;
  double adam_beta2 = 0.999;
  double adam_eps = 1e-8;

  void declare(OptionGroup group);

  // By which the text encoder's adapters learn faster than the UNet's.
  double text_encoder_rate_factor() const {
    return text_encoder_rate == 0 ? 1 : text_encoder_rate / learning_rate;
  }

  // Gives the arguments one spelling. Throws Error(kUsage): some that the optimiser does not have, or what it
  // cannot go with.
  void settle();
};

}  // namespace sdlora::trainer
