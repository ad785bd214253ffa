// How long a run is, once its data is known.
#pragma once

#include "data/dataset.h"
#include "trainer/options/interval.h"
#include "trainer/options/schedule_options.h"

namespace sdlora::trainer {

struct RunLength {
  EpochLength epoch;
  int64_t max_steps;
};

// Training on `samples` of the data set, each as often in an epoch as it is repeated. Throws
// Error(kUsage) for more steps than --max-steps takes.
RunLength run_length(const ScheduleOptions& schedule, const data::Dataset& dataset,
                     const std::vector<int64_t>& samples, int64_t samples_per_step);

}  // namespace sdlora::trainer
