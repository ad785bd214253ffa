#include "trainer/run/run_length.h"

#include <fmt/format.h>

#include "common/error.h"

namespace sdlora::trainer {

RunLength run_length(const ScheduleOptions& schedule, const data::Dataset& dataset,
                     const std::vector<int64_t>& samples, int64_t samples_per_step) {
  EpochLength epoch{.samples_per_step = samples_per_step, .samples_per_epoch = 0};
  for (const int64_t sample : samples) epoch.samples_per_epoch += dataset.repeats_of(sample);
  if (schedule.max_epochs > 0 && epoch.steps_for(schedule.max_epochs) > ScheduleOptions::kMostSteps)
    throw Error(ExitCode::kUsage,
                {.what = "the run is too long",
                 .expected = fmt::format("at most {} steps", ScheduleOptions::kMostSteps),
                 .seen = fmt::format("{} of --max-epochs {}", epoch.steps_for(schedule.max_epochs),
                                     schedule.max_epochs),
                 .advice = "give fewer"});
  return {.epoch = epoch,
          .max_steps = schedule.max_epochs > 0 ? epoch.steps_for(schedule.max_epochs) : schedule.max_steps};
}

}  // namespace sdlora::trainer
