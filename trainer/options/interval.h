// How often something happens in a run.
#pragma once

#include <cstdint>
#include <string>

#include "common/option_values.h"

namespace sdlora::trainer {

// How many steps an epoch has is rarely a whole number.
struct EpochLength {
  int64_t samples_per_step;
  int64_t samples_per_epoch;

  // Whole ones, after so many steps.
  int64_t epochs_in(int64_t steps) const { return steps * samples_per_step / samples_per_epoch; }

  // Within which so many epochs are whole.
  int64_t steps_for(int64_t epochs) const {
    return (epochs * samples_per_epoch + samples_per_step - 1) / samples_per_step;
  }
};

// As an option: "100", every 100 steps; "2epochs" or "1epoch", at the step that completes them; "0", never.
struct Interval {
  int64_t count = 0;
  bool is_of_epochs = false;

  bool is_never() const { return count == 0; }

  // Whether it is time after `steps_done` steps; at 0 it is, unless it is never.
  bool is_due(int64_t steps_done, const EpochLength& epoch) const;

  // About how many steps it is; 0: never.
  int64_t in_steps(const EpochLength& epoch) const { return is_of_epochs ? epoch.steps_for(count) : count; }
};

using sdlora::kind_of;  // which those of an interval would hide
using sdlora::read_value;
using sdlora::text_of;

bool read_value(const std::string& text, Interval& value);
std::string text_of(const Interval& value);
ValueKind kind_of(const Interval&);

// For --help and refusals.
inline constexpr const char* kIntervalWords = "of steps (0 or more), or of epochs as in 1epoch";

// "100 steps", "2 epochs", "epoch"
std::string in_words(const Interval& interval);

}  // namespace sdlora::trainer
