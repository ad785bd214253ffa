// metrics.jsonl as curves to draw: read, smoothed, thinned.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <vector>

#include "monitoring/records/validation_record.h"

namespace sdlora::monitoring {

struct CurvePoint {
  int64_t step;
  double value;  // finite
};

using Curve = std::vector<CurvePoint>;

struct MetricsHistory {
  int64_t step_count = 0;  // lines of steps, without that of step 0
  Curve loss;
  Curve smoothed_loss;
  int64_t smoothing_steps = 0;  // about how many of the last ones it follows
  Curve gradient_norm;
  Curve learning_rate;
  Curve samples_per_second;
  Curve validation_loss;
  std::array<Curve, kTimestepQuarters> validation_quarters;
  std::vector<int64_t> skipped_steps;
  double training_seconds = 0;  // of the steps alone
  double validation_seconds = 0;
};

// What cannot be read as a record is left out; without the file everything is empty.
MetricsHistory read_metrics_history(const std::filesystem::path& file);

// Exponential moving average with the weight of the past `memory`, corrected for its start (Kingma and Ba
// 2015, section 3).
Curve smooth(const Curve& curve, double memory);

// At most `max_points` of the curve's own points, in order: of each stretch of equal length the lowest and
// the highest, so that no peak is lost, and the first and the last.
Curve thin(const Curve& curve, size_t max_points);

}  // namespace sdlora::monitoring
