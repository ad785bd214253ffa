// Losses by noise level: a gauge for each quarter of the timesteps, labelled "1" (the least noise) … "4".
#pragma once

#include <array>
#include <vector>

#include "monitoring/metrics/registry.h"
#include "monitoring/records/moving_average.h"
#include "monitoring/records/validation_record.h"

namespace sdlora::monitoring {

class ValidationMetrics {
 public:
  explicit ValidationMetrics(MetricsRegistry& registry);

  void record(const ValidationRecord& record);

 private:
  Gauge loss_;
  std::vector<Gauge> quarters_;
};

// Of the samples that this rank trains on; averages, since single samples differ more than a run learns.
class QuarterLossMetrics {
 public:
  explicit QuarterLossMetrics(MetricsRegistry& registry);

  // `quarter` from 0
  void record(int64_t quarter, double loss);

 private:
  std::vector<Gauge> quarters_;
  std::array<MovingAverage, kTimestepQuarters> averages_;
};

}  // namespace sdlora::monitoring
