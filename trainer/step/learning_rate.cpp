#include "trainer/step/learning_rate.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace sdlora::trainer {

double LearningRateSchedule::at(int64_t steps_done) const {
  if (steps_done < warmup_steps)
    return peak * static_cast<double>(steps_done) / static_cast<double>(warmup_steps);
  if (kind == ScheduleKind::kConstant) return peak;
  const int64_t decay_steps = std::max<int64_t>(1, max_steps - warmup_steps);
  const double progress = static_cast<double>(steps_done - warmup_steps) / static_cast<double>(decay_steps);
  if (kind == ScheduleKind::kLinear) return peak * std::max(0.0, 1 - progress);
  return peak * std::max(0.0, 0.5 * (1 + std::cos(std::numbers::pi * progress)));
}

}  // namespace sdlora::trainer
