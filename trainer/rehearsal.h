// What a dry run does in place of training: shows captions, and tries one micro-batch, forward and backward,
// so that its memory is measured and not estimated.
#pragma once

#include "trainer/run/loaded_run.h"

namespace sdlora::trainer {

// (all ranks) Rank 0 prints the texts of the next --show-captions samples. Computes a micro-batch of the
// largest pictures that the first steps after `steps_done` have; nothing is summed or updated, and no CUDA
// graph recorded. Rank 0 logs each rank's peak of memory, on a GPU the GPU's too.
void rehearse(const TrainConfig& config, LoadedRun& loaded, int64_t steps_done, comm::Communicator& world,
              comm::Watchdog& watchdog);

}  // namespace sdlora::trainer
