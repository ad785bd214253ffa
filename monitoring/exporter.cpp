#include "monitoring/exporter.h"

#include <limits>
#include <string>
#include <vector>

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

namespace sdlora::monitoring {
namespace {

constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

const prometheus::Histogram::BucketBoundaries kStepSecondsBuckets{0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
                                                                  1,    2.5,   5,    10,  30,   60};

prometheus::Gauge& gauge(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add({});
}

// One gauge a quarter of the timesteps, labelled "1" … "4".
std::vector<prometheus::Gauge*> quarter_gauges(prometheus::Registry& registry, const char* name,
                                               const char* help) {
  auto& family = prometheus::BuildGauge().Name(name).Help(help).Register(registry);
  std::vector<prometheus::Gauge*> gauges;
  for (int quarter = 1; quarter <= kTimestepQuarters; ++quarter)
    gauges.push_back(&family.Add({{"quarter", std::to_string(quarter)}}));
  return gauges;
}

prometheus::Counter& counter(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry).Add({});
}

prometheus::Histogram& histogram(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(registry).Add({}, kStepSecondsBuckets);
}

}  // namespace

struct TrainingMetrics::Series {
  explicit Series(prometheus::Registry& registry)
      : loss(gauge(registry, "sdlora_loss", "Mean loss of the latest step's global batch")),
        gradient_norm(
            gauge(registry, "sdlora_gradient_norm", "Norm of the latest step's gradient before clipping")),
        learning_rate(gauge(registry, "sdlora_learning_rate", "Learning rate of the latest step")),
        step(gauge(registry, "sdlora_step", "Latest optimiser step, counted over all restarts of the run")),
        steps(counter(registry, "sdlora_steps_total",
                      "Optimiser steps of this process, skipped ones included")),
        samples(counter(registry, "sdlora_samples_total", "Samples of all ranks trained on by this process")),
        nonfinite_steps(
            counter(registry, "sdlora_nonfinite_steps_total", "Steps whose loss or gradient was not finite")),
        skipped_steps(
            counter(registry, "sdlora_skipped_steps_total", "Steps that left the parameters as they were")),
        step_duration_seconds(
            histogram(registry, "sdlora_step_duration_seconds", "Wall-clock time of a step")),
        validation_loss(gauge(registry, "sdlora_validation_loss", "Loss of the latest validation")),
        validation_quarters(
            quarter_gauges(registry, "sdlora_validation_loss_by_timestep_quarter",
                           "Loss of the latest validation within a quarter of the timesteps")) {
    show({.loss = kUnknown, .quarter_losses = {kUnknown, kUnknown, kUnknown, kUnknown}});
  }

  void show(const ValidationRecord& record) {
    validation_loss.Set(record.loss);
    for (size_t i = 0; i < validation_quarters.size(); ++i)
      validation_quarters[i]->Set(record.quarter_losses[i]);
  }

  prometheus::Gauge& loss;
  prometheus::Gauge& gradient_norm;
  prometheus::Gauge& learning_rate;
  prometheus::Gauge& step;
  prometheus::Counter& steps;
  prometheus::Counter& samples;
  prometheus::Counter& nonfinite_steps;
  prometheus::Counter& skipped_steps;
  prometheus::Histogram& step_duration_seconds;
  prometheus::Gauge& validation_loss;
  std::vector<prometheus::Gauge*> validation_quarters;
};

TrainingMetrics::TrainingMetrics(const std::map<std::string, std::string>& build_labels)
    : registry_(std::make_shared<prometheus::Registry>()), series_(std::make_unique<Series>(*registry_)) {
  prometheus::BuildGauge()
      .Name("sdlora_build_info")
      .Help("What this build is; always 1")
      .Register(*registry_)
      .Add(build_labels)
      .Set(1);
}

TrainingMetrics::~TrainingMetrics() = default;

void TrainingMetrics::record_step(const StepRecord& record, int64_t samples) {
  series_->loss.Set(record.loss);
  series_->gradient_norm.Set(record.grad_norm);
  series_->learning_rate.Set(record.learning_rate);
  series_->step.Set(static_cast<double>(record.step));
  series_->steps.Increment();
  series_->samples.Increment(static_cast<double>(samples));
  if (!record.is_finite()) series_->nonfinite_steps.Increment();
  if (record.skipped) series_->skipped_steps.Increment();
  // A single NaN would make the histogram's sum NaN for good.
  if (std::isfinite(record.step_seconds)) series_->step_duration_seconds.Observe(record.step_seconds);
}

void TrainingMetrics::record_validation(const ValidationRecord& record) {
  series_->show(record);
}

}  // namespace sdlora::monitoring
