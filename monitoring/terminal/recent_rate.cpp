#include "monitoring/terminal/recent_rate.h"

namespace sdlora::monitoring {
namespace {

constexpr double kWindowSeconds = 60;
constexpr double kSpacingSeconds = 1;  // marks closer together are merged, so there are at most 61

}  // namespace

void RecentRate::add(double time_seconds, int64_t done) {
  const size_t count = marks_.size();
  const bool is_close = count >= 2 && time_seconds - marks_[count - 2].time_seconds < kSpacingSeconds;
  if (is_close) marks_.pop_back();
  marks_.push_back({time_seconds, done});
  while (marks_.size() > 2 && marks_[1].time_seconds <= time_seconds - kWindowSeconds) marks_.pop_front();
}

double RecentRate::units_per_second() const {
  if (marks_.size() < 2) return 0;
  const double seconds = marks_.back().time_seconds - marks_.front().time_seconds;
  const auto units = static_cast<double>(marks_.back().done - marks_.front().done);
  return seconds > 0 && units > 0 ? units / seconds : 0;
}

}  // namespace sdlora::monitoring
