#include "trainer/options/schedule_options.h"

namespace sdlora::trainer {

Words<ScheduleKind> schedule_words() {
  return {{"cosine", ScheduleKind::kCosine},
          {"constant", ScheduleKind::kConstant},
          {"linear", ScheduleKind::kLinear}};
}

void ScheduleOptions::declare(OptionGroup group) {
  group.add("lr-schedule", kind, Scope::kResult, "after the warm-up").one_of(schedule_words());
  group.add("warmup-steps", warmup_steps, Scope::kResult, "steps of linear warm-up").at_least(0);
  group.add("max-steps", max_steps, Scope::kResult, "optimiser steps").positive();
}

}  // namespace sdlora::trainer
