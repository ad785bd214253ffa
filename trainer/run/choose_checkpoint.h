// Which checkpoint --resume means.
#pragma once

#include "checkpoint/checkpoint_store.h"
#include "trainer/options/train_config.h"

namespace sdlora::trainer {

// auto: the newest of the output. none: none. A checkpoint's directory, or that of a run, whose newest is
// meant: that one, or a later one of the output; so the same command can be repeated, even after what it
// names is deleted. Throws Error(kUsage) when it names neither, Error(kBadData) when what there is cannot be
// used.
checkpoint::NewestCheckpoint choose_checkpoint(const TrainConfig& config);

}  // namespace sdlora::trainer
