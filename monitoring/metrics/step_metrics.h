// What the steps of a run were like, as metrics.
#pragma once

#include <cstdint>

#include "monitoring/metrics/registry.h"
#include "monitoring/records/moving_average.h"
#include "monitoring/records/step_record.h"

namespace sdlora::monitoring {

// Counters begin at 0 in each process; the gauges sdlora_step and sdlora_epoch carry on over restarts.
class StepMetrics {
 public:
  // `first_step`: steps that were done before.
  StepMetrics(MetricsRegistry& registry, int64_t first_step, double loss_scale);

  // `samples`: that this rank computed.
  void record(const StepRecord& record, int64_t samples);

 private:
  Gauge loss_, smoothed_loss_;
  Gauge gradient_norm_, clipped_gradient_norm_;
  Gauge learning_rate_;
  Gauge loss_scale_;
  Gauge step_, epoch_;
  Gauge samples_per_second_;
  Counter steps_, clipped_steps_, nonfinite_steps_, skipped_as_nonfinite_, skipped_for_loss_scale_;
  Counter samples_;
  Histogram duration_seconds_;
  Gauge last_step_;
  MovingAverage average_loss_;
};

}  // namespace sdlora::monitoring
