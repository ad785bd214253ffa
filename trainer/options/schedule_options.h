// How long a run is, and how its learning rate goes.
#pragma once

#include <cstdint>

#include "common/options.h"

namespace sdlora::trainer {

enum class ScheduleKind {
  kCosine,
  kConstant,
  kLinear,
  kCosineWithRestarts,
  kPolynomial,
  kCosineWithMinLr,
  kWarmupStableDecay,
  kRex
};

Words<ScheduleKind> schedule_words();

struct ScheduleOptions {
  ScheduleKind kind = ScheduleKind::kCosine;  // after the warm-up
  static constexpr int64_t kMostSteps = int64_t{1} << 40;

  int64_t cycles = 1;
  double power = 1;
  double min_ratio = 0;               // of the peak: where it ends
  double warmup_steps_or_share = 50;  // below 1: a share of the run
  double decay_steps_or_share = 0.1;  // likewise; of warmup_stable_decay
  int64_t max_steps = 500;            // optimiser steps
  int64_t max_epochs = 0;             // in place of max_steps; 0: as that says

  void declare(OptionGroup group);

  // Throws Error(kUsage): a number of steps that is not whole.
  void check() const;
};

// Of a number of steps or, below 1, a share of the run: rounded down.
int64_t steps_of(double steps_or_share, int64_t max_steps);

}  // namespace sdlora::trainer
