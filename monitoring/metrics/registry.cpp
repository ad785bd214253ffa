#include "monitoring/metrics/registry.h"

#include <cmath>
#include <limits>
#include <mutex>
#include <vector>

#include <prometheus/collectable.h>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

namespace sdlora::monitoring {
namespace {

// From a phase of the small model's step to a checkpoint on a slow disk.
const prometheus::Histogram::BucketBoundaries kSecondsBuckets{
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250};

}  // namespace

void Gauge::set(double value) {
  gauge_->Set(value);
}

void Gauge::set_to(std::chrono::system_clock::time_point moment) {
  set(std::chrono::duration<double>(moment.time_since_epoch()).count());
}

void Counter::add(double amount) {
  counter_->Increment(amount);
}

void Histogram::observe(double value) {
  if (std::isfinite(value)) histogram_->Observe(value);
}

class MetricsRegistry::Collection final : public prometheus::Collectable {
 public:
  std::vector<prometheus::MetricFamily> Collect() const override {
    const std::lock_guard lock(mutex_);
    for (const auto& refresh : refreshes_) refresh();
    return registry.Collect();
  }

  void add(std::function<void()> refresh) {
    const std::lock_guard lock(mutex_);
    refreshes_.push_back(std::move(refresh));
  }

  prometheus::Registry registry;

 private:
  mutable std::mutex mutex_;
  std::vector<std::function<void()>> refreshes_;
};

MetricsRegistry::MetricsRegistry() : collection_(std::make_shared<Collection>()) {}

Gauge MetricsRegistry::gauge(const char* name, const char* help, const Labels& labels) {
  auto& family = prometheus::BuildGauge().Name(name).Help(help).Register(collection_->registry);
  const bool is_new = !family.Has(labels);
  Gauge handle(family.Add(labels));
  if (is_new) handle.set(std::numeric_limits<double>::quiet_NaN());
  return handle;
}

Counter MetricsRegistry::counter(const char* name, const char* help, const Labels& labels) {
  return Counter(
      prometheus::BuildCounter().Name(name).Help(help).Register(collection_->registry).Add(labels));
}

Histogram MetricsRegistry::histogram_of_seconds(const char* name, const char* help, const Labels& labels) {
  return Histogram(prometheus::BuildHistogram()
                       .Name(name)
                       .Help(help)
                       .Register(collection_->registry)
                       .Add(labels, kSecondsBuckets));
}

void MetricsRegistry::before_scrape(std::function<void()> refresh) {
  collection_->add(std::move(refresh));
}

std::shared_ptr<prometheus::Collectable> MetricsRegistry::collectable() const {
  return collection_;
}

}  // namespace sdlora::monitoring
