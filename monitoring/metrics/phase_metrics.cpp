#include "monitoring/metrics/phase_metrics.h"

namespace sdlora::monitoring {
namespace {

Histogram histogram_of(MetricsRegistry& registry, const char* phase) {
  return registry.histogram_of_seconds(
      "sdlora_phase_duration_seconds",
      "Wall-clock time of a part of a step, or of what is done between steps", {{"phase", phase}});
}

}  // namespace

PhaseMetrics::PhaseMetrics(MetricsRegistry& registry)
    : checkpoint(histogram_of(registry, "checkpoint")),
      validation(histogram_of(registry, "validation")),
      preview(histogram_of(registry, "preview")) {
  for (const char* phase : {"data_wait", "forward", "backward", "reduce", "update"})
    of_step_.push_back(histogram_of(registry, phase));
}

void PhaseMetrics::record(const PhaseClock& clock) {
  for (size_t phase = 0; phase < of_step_.size(); ++phase) of_step_[phase].observe(clock.seconds()[phase]);
}

}  // namespace sdlora::monitoring
