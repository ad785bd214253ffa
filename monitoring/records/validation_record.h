// What a validation found; the log, the metrics and the report show it.
#pragma once

#include <array>
#include <cstdint>

namespace sdlora::monitoring {

// The noise level decides how hard the prediction is, so the loss is told for each quarter of the timesteps
// as well: for T = 1000 [0, 250), [250, 500), [500, 750), [750, 1000).
inline constexpr int kTimestepQuarters = 4;

struct ValidationRecord {
  int64_t step = 0;  // steps done; 0: before the first
  double loss = 0;   // mean over samples and quarters; NaN when any was not finite
  std::array<double, kTimestepQuarters> quarter_losses{};
  double seconds = 0;
};

}  // namespace sdlora::monitoring
