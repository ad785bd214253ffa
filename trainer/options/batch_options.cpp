#include "trainer/options/batch_options.h"

namespace sdlora::trainer {

// A step of more would not end within days: a slip of the hand.
constexpr int64_t kMostSamplesPerStep = 1'000'000;

void BatchOptions::declare(OptionGroup group) {
  group.add("batch-size", size, Scope::kResult, "samples per optimiser step over all ranks")
      .between(1, kMostSamplesPerStep);
  group
      .add("micro-batch-size", micro_size, Scope::kResult,
           "samples per forward; auto: batch-size / ranks, or what the resumed checkpoint used")
      .auto_is_zero()
      .between(0, kMostSamplesPerStep);
  group.add("seed", seed, Scope::kResult, "of every random draw");
}

}  // namespace sdlora::trainer
