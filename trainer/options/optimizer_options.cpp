#include "trainer/options/optimizer_options.h"

namespace sdlora::trainer {

void OptimizerOptions::declare(OptionGroup group) {
  group.add("learning-rate", learning_rate, Scope::kResult, "peak").at_least(0);
  group.add("max-grad-norm", max_gradient_norm, Scope::kResult, "clip the gradient's norm to this; 0: never")
      .at_least(0);
  group.add("weight-decay", weight_decay, Scope::kResult, "of AdamW").at_least(0);
  group.add("adam-beta1", adam_beta1, Scope::kResult, "decay of the first moment").between(0, 0.999999);
  group.add("adam-beta2", adam_beta2, Scope::kResult, "decay of the second moment").between(0, 1);
  group.add("adam-eps", adam_eps, Scope::kResult, "added to AdamW's denominator").at_least(0);
}

}  // namespace sdlora::trainer
