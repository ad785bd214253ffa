#include "trainer/step/learning_rate.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace sdlora::trainer {
namespace {

constexpr double kEndOfPolynomial = 1e-7;  // transformers' lr_end

double falling_cosine(double half_waves) {
  return 0.5 * (1 + std::cos(std::numbers::pi * half_waves));
}

}  // namespace

double LearningRateSchedule::at(int64_t steps_done) const {
  if (kind == ScheduleKind::kConstant && steps_done >= warmup_steps) return peak;
  if (steps_done < warmup_steps) {
    const double rising = peak * static_cast<double>(steps_done) / static_cast<double>(warmup_steps);
    return kind == ScheduleKind::kWarmupStableDecay ? min_ratio * peak + (1 - min_ratio) * rising : rising;
  }
  return peak * (min_ratio + (1 - min_ratio) * decayed(steps_done));
}

double LearningRateSchedule::decayed(int64_t steps_done) const {
  const int64_t steps = std::max<int64_t>(1, max_steps - warmup_steps);
  const double progress = static_cast<double>(steps_done - warmup_steps) / static_cast<double>(steps);  // p
  const double left = std::max(0.0, 1 - progress);
  const auto turns = static_cast<double>(cycles);
  switch (kind) {
    case ScheduleKind::kConstant:
      break;
    case ScheduleKind::kLinear:
      return left;
    case ScheduleKind::kCosine:
      return falling_cosine(std::min(1.0, progress));
    case ScheduleKind::kCosineWithRestarts:
      return progress >= 1 ? 0 : falling_cosine(std::fmod(turns * progress, 1.0));
    case ScheduleKind::kPolynomial: {
      const double end = peak > kEndOfPolynomial ? kEndOfPolynomial / peak : 1;
      return left > 0 ? (1 - end) * std::pow(left, power) + end : end;
    }
    case ScheduleKind::kCosineWithMinLr:
      return falling_cosine(turns * std::min(1.0, progress));
    case ScheduleKind::kWarmupStableDecay: {
      const int64_t decay_start = max_steps - decay_steps;
      if (steps_done < decay_start) return 1;
      if (steps_done >= max_steps) return 0;
      return falling_cosine(turns * static_cast<double>(steps_done - decay_start) /
                            static_cast<double>(decay_steps));
    }
    case ScheduleKind::kRex:
      return left / (0.1 + 0.9 * left);
  }
  return 1;
}

}  // namespace sdlora::trainer
