// The learning rate of each optimiser step (transformers get_cosine_schedule_with_warmup and its siblings).
#pragma once

#include <cstdint>

#include "trainer/options/schedule_options.h"

namespace sdlora::trainer {

struct LearningRateSchedule {
  double peak;
  ScheduleKind kind;
  int64_t warmup_steps;
  int64_t max_steps;

  // Of the step after `steps_done` steps. Rises as steps_done / warmup_steps (the first step of a warm-up has
  // rate 0, as in transformers), then follows `kind` down to 0 at max_steps.
  double at(int64_t steps_done) const;
};

}  // namespace sdlora::trainer
