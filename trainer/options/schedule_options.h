// How long a run is, and how its learning rate goes.
#pragma once

#include <cstdint>

#include "common/options.h"

namespace sdlora::trainer {

enum class ScheduleKind { kCosine, kConstant, kLinear };

Words<ScheduleKind> schedule_words();

struct ScheduleOptions {
  ScheduleKind kind = ScheduleKind::kCosine;  // after the warm-up
  int64_t warmup_steps = 50;
  int64_t max_steps = 500;  // optimiser steps

  void declare(OptionGroup group);
};

}  // namespace sdlora::trainer
