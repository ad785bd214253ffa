// A value that follows the last 50 or so of a series: each older one weighs 2 % less.
#pragma once

#include <cmath>
#include <limits>

namespace sdlora::monitoring {

class MovingAverage {
 public:
  // Passes over what is not finite.
  void add(double value) {
    if (!std::isfinite(value)) return;
    sum_ = kMemory * sum_ + (1 - kMemory) * value;
    weight_ = kMemory * weight_ + (1 - kMemory);
  }

  // Corrected for its start (Kingma and Ba 2015, section 3); NaN before the first value.
  double value() const { return weight_ > 0 ? sum_ / weight_ : std::numeric_limits<double>::quiet_NaN(); }

 private:
  static constexpr double kMemory = 0.98;

  double sum_ = 0;
  double weight_ = 0;
};

}  // namespace sdlora::monitoring
