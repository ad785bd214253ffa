#include "monitoring/metrics/step_metrics.h"

namespace sdlora::monitoring {
namespace {

Counter skipped_steps(MetricsRegistry& registry, const char* reason) {
  return registry.counter("sdlora_skipped_steps_total", "Steps that left the parameters as they were",
                          {{"reason", reason}});
}

}  // namespace

StepMetrics::StepMetrics(MetricsRegistry& registry, int64_t first_step, double loss_scale)
    : loss_(
          registry.gauge("sdlora_loss", "Mean loss of the latest step's global batch, as it is trained on")),
      smoothed_loss_(
          registry.gauge("sdlora_smoothed_loss",
                         "Moving average of the loss over about 50 steps, without the steps that were not "
                         "finite")),
      gradient_norm_(
          registry.gauge("sdlora_gradient_norm", "Norm of the latest step's gradient before clipping")),
      clipped_gradient_norm_(registry.gauge("sdlora_clipped_gradient_norm",
                                            "Norm of the latest step's gradient after clipping")),
      learning_rate_(registry.gauge("sdlora_learning_rate", "Learning rate of the latest step")),
      loss_scale_(
          registry.gauge("sdlora_loss_scale", "Factor by which fp16 gradients are scaled; 1 without fp16")),
      step_(registry.gauge("sdlora_step", "Latest optimiser step, counted over all restarts of the run")),
      epoch_(registry.gauge("sdlora_epoch",
                            "Passes over the data set so far, with fraction, over all restarts of the run")),
      samples_per_second_(
          registry.gauge("sdlora_samples_per_second", "Samples of all ranks a second in the latest step")),
      steps_(
          registry.counter("sdlora_steps_total", "Optimiser steps of this process, skipped ones included")),
      clipped_steps_(registry.counter("sdlora_clipped_steps_total", "Steps whose gradient was clipped")),
      nonfinite_steps_(registry.counter(
          "sdlora_nonfinite_steps_total",
          "Steps whose loss or gradient was not finite, the search for fp16's loss scale apart")),
      skipped_as_nonfinite_(skipped_steps(registry, "nonfinite")),
      skipped_for_loss_scale_(skipped_steps(registry, "loss_scale")),
      samples_(registry.counter("sdlora_samples_total",
                                "Samples that this rank has computed, those of skipped steps included")),
      duration_seconds_(
          registry.histogram_of_seconds("sdlora_step_duration_seconds", "Wall-clock time of a step")),
      last_step_(registry.gauge("sdlora_last_step_timestamp_seconds",
                                "When this rank ended its latest step; its start before the first")) {
  step_.set(static_cast<double>(first_step));
  loss_scale_.set(loss_scale);
  last_step_.set_to_now();
}

void StepMetrics::record(const StepRecord& record, int64_t samples) {
  average_loss_.add(record.loss);
  loss_.set(record.loss);
  smoothed_loss_.set(average_loss_.value());
  gradient_norm_.set(record.gradient_norm);
  clipped_gradient_norm_.set(record.clipped_gradient_norm);
  learning_rate_.set(record.learning_rate);
  loss_scale_.set(record.loss_scale);
  step_.set(static_cast<double>(record.step));
  epoch_.set(record.epoch);
  samples_per_second_.set(record.samples_per_second);
  steps_.add();
  samples_.add(static_cast<double>(samples));
  if (record.clipped_gradient_norm < record.gradient_norm) clipped_steps_.add();
  if (record.is_loss_scale_search)
    skipped_for_loss_scale_.add();
  else if (record.skipped)
    skipped_as_nonfinite_.add();
  if (!record.is_finite() && !record.is_loss_scale_search) nonfinite_steps_.add();
  duration_seconds_.observe(record.step_seconds);
  last_step_.set_to_now();
}

}  // namespace sdlora::monitoring
