#include "trainer/options/checkpoint_options.h"

namespace sdlora::trainer {

void CheckpointOptions::declare(OptionGroup group) {
  group.add("checkpoint-every", every, Scope::kRun, "so many steps or epochs; 0: only at the end")
      .worded(kIntervalWords);
  group
      .add("keep-checkpoints", keep_count, Scope::kRun,
           "the newest, older ones are removed after a save; 0: keep all")
      .at_least(0);
  group.add("resume", resume, Scope::kRank,
            "auto: newest valid checkpoint in the output; none: refuse a used output; or a checkpoint to "
            "begin at, as long as the output has no later one");
}

}  // namespace sdlora::trainer
