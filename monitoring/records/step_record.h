// What one optimiser step was like; the log, the metrics and the progress bar show it.
#pragma once

#include <cmath>
#include <cstdint>

namespace sdlora::monitoring {

struct StepRecord {
  int64_t step = 0;          // counted from 1
  double loss = 0;           // mean over the global batch
  double gradient_norm = 0;  // before clipping
  double clipped_gradient_norm = 0;
  double learning_rate = 0;
  double loss_scale = 1;              // by which the step's gradients were scaled
  double epoch = 0;                   // passes over the data so far
  bool skipped = false;               // the parameters were left as they were
  bool is_loss_scale_search = false;  // skipped only because fp16's loss scale was too high
  double samples_per_second = 0;      // over all ranks
  double step_seconds = 0;

  bool is_finite() const { return std::isfinite(loss) && std::isfinite(gradient_norm); }
};

}  // namespace sdlora::monitoring
