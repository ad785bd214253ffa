// How long the parts of a run take, as histograms with the label `phase`.
#pragma once

#include <chrono>
#include <vector>

#include "monitoring/metrics/phase_clock.h"
#include "monitoring/metrics/registry.h"

namespace sdlora::monitoring {

// Observes the time from its start to the end of the scope, however that is left.
class Timing {
 public:
  explicit Timing(Histogram histogram) : histogram_(histogram) {}

  ~Timing() { histogram_.observe(seconds()); }

  Timing(const Timing&) = delete;
  Timing& operator=(const Timing&) = delete;

  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  Histogram histogram_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

class PhaseMetrics {
 public:
  explicit PhaseMetrics(MetricsRegistry& registry);

  // Observes the phases of one step.
  void record(const PhaseClock& clock);

  // Of what is done between steps, for Timing.
  Histogram checkpoint, validation, preview;

 private:
  std::vector<Histogram> of_step_;  // by StepPhase
};

}  // namespace sdlora::monitoring
