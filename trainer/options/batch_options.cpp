#include "trainer/options/batch_options.h"

namespace sdlora::trainer {

void BatchOptions::declare(OptionGroup group) {
  group.add("batch-size", size, Scope::kResult, "samples per optimiser step over all ranks").positive();
  group
      .add("micro-batch-size", micro_size, Scope::kResult,
           "samples per forward; auto: batch-size / ranks, or what the resumed checkpoint used")
      .auto_is_zero()
      .at_least(0);
  group.add("seed", seed, Scope::kResult, "of every random draw");
}

}  // namespace sdlora::trainer
