// The learning rate of each optimiser step (transformers' optimization.py; rex: OneTrainer's, of Chen et al.
// 2021, "REX: Revisiting Budgeted Training with an Improved Schedule").
#pragma once

#include <cstdint>

#include "trainer/options/schedule_options.h"

namespace sdlora::trainer {

struct LearningRateSchedule {
  double peak;
  ScheduleKind kind;
  int64_t warmup_steps;
  int64_t max_steps;
  int64_t cycles = 1;
  double power = 1;
  double min_ratio = 0;
  int64_t decay_steps = 0;

  // Of the step after `steps_done` steps. Rises as steps_done / warmup_steps (the first step of a warm-up has
  // rate 0, as in transformers; min_ratio with warmup_stable_decay), then follows `kind` down to min_ratio ×
  // peak at max_steps (an even number of cycles of cosine_with_min_lr ends at the peak). With p the share of
  // the steps after the warm-up that are done, it is
  // peak × (min_ratio + (1 - min_ratio) f):
  //   linear 1 - p     cosine (1 + cos πp) / 2     rex (1 - p) / (0.1 + 0.9 (1 - p))
  //   cosine_with_restarts (1 + cos π·frac(cycles p)) / 2     cosine_with_min_lr (1 + cos(π cycles p)) / 2
  //   polynomial (1 - p)^power, down to a rate of 1e-7
  //   warmup_stable_decay 1, and in the last decay_steps, of which q is done, (1 + cos(π cycles q)) / 2
  double at(int64_t steps_done) const;

 private:
  double decayed(int64_t steps_done) const;  // f
};

}  // namespace sdlora::trainer
