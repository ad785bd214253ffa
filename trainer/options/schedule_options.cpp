#include "trainer/options/schedule_options.h"

#include <cmath>
#include <string>

#include <fmt/format.h>

#include "common/error.h"

namespace sdlora::trainer {
namespace {

constexpr double kMostWarmupSteps = 1e9;
constexpr int64_t kMostCycles = 1'000'000, kMostEpochs = 1'000'000;

void check_is_whole(const std::string& option, double steps) {
  if (steps < 1 || steps == std::floor(steps)) return;
  throw Error(ExitCode::kUsage, {.what = option + " is neither steps nor a share of the run",
                                 .expected = "a whole number of steps, or a number below 1",
                                 .seen = text_of(steps)});
}

}  // namespace

Words<ScheduleKind> schedule_words() {
  return {{"cosine", ScheduleKind::kCosine},
          {"constant", ScheduleKind::kConstant},
          {"linear", ScheduleKind::kLinear},
          {"cosine_with_restarts", ScheduleKind::kCosineWithRestarts},
          {"polynomial", ScheduleKind::kPolynomial},
          {"cosine_with_min_lr", ScheduleKind::kCosineWithMinLr},
          {"warmup_stable_decay", ScheduleKind::kWarmupStableDecay},
          {"rex", ScheduleKind::kRex}};
}

void ScheduleOptions::declare(OptionGroup group) {
  group.add("lr-schedule", kind, Scope::kResult, "after the warm-up").one_of(schedule_words());
  group
      .add("lr-cycles", cycles, Scope::kResult,
           "of cosine_with_restarts: how often it begins at the peak; of cosine_with_min_lr and "
           "warmup_stable_decay: half waves")
      .between(1, kMostCycles);
  group.add("lr-power", power, Scope::kResult, "of polynomial").between(0, 100);
  group
      .add("lr-min-ratio", min_ratio, Scope::kResult,
           "share of the peak that the learning rate falls to, of all schedules but constant")
      .between(0, 1);
  group
      .add("lr-decay-steps", decay_steps_or_share, Scope::kResult,
           "of warmup_stable_decay: the last steps (below 1: this share of the run), in which it falls")
      .between(0, kMostWarmupSteps);
  group
      .add("warmup-steps", warmup_steps_or_share, Scope::kResult,
           "steps (below 1: this share of the run) of linear warm-up")
      .between(0, kMostWarmupSteps);
  group.add("max-steps", max_steps, Scope::kResult, "optimiser steps").positive();
  group
      .add("max-epochs", max_epochs, Scope::kResult,
           "train each sample so often, whatever --max-steps says; 0: as that says")
      .between(0, kMostEpochs);
}

void ScheduleOptions::check() const {
  check_is_whole("--warmup-steps", warmup_steps_or_share);
  check_is_whole("--lr-decay-steps", decay_steps_or_share);
}

int64_t steps_of(double steps_or_share, int64_t max_steps) {
  return static_cast<int64_t>(steps_or_share < 1 ? steps_or_share * static_cast<double>(max_steps)
                                                 : steps_or_share);
}

}  // namespace sdlora::trainer
