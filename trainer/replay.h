// trainer --replay OUTPUT/nonfinite-step-N: computes the samples of a non-finite step again, one by one, with
// A and B as they were, and says which of them is not finite.
#pragma once

#include "comm/communicator.h"
#include "comm/watchdog.h"
#include "trainer/options/train_config.h"

namespace sdlora::trainer {

// (one rank) Logs one line per sample and returns when the step was reproduced as recorded: the same losses
// are NaN, infinite or finite, and in each recorded micro-batch a sample has a loss or gradient that is not
// finite or too large to be summed. Throws Error(kMismatch) when it was not, Error(kUsage) on several ranks
// or without such a record, Error(kBadData) for a file that is not what it should be.
void replay(const TrainConfig& config, const comm::Communicator& world, at::Device device,
            comm::Watchdog& watchdog);

}  // namespace sdlora::trainer
