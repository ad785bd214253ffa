#include "monitoring/metrics/quarter_metrics.h"

namespace sdlora::monitoring {
namespace {

std::vector<Gauge> quarter_gauges(MetricsRegistry& registry, const char* name, const char* help) {
  std::vector<Gauge> gauges;
  for (int quarter = 1; quarter <= kTimestepQuarters; ++quarter)
    gauges.push_back(registry.gauge(name, help, {{"quarter", std::to_string(quarter)}}));
  return gauges;
}

}  // namespace

ValidationMetrics::ValidationMetrics(MetricsRegistry& registry)
    : loss_(registry.gauge("sdlora_validation_loss", "Mean squared error of the latest validation")),
      quarters_(
          quarter_gauges(registry, "sdlora_validation_loss_by_timestep_quarter",
                         "Mean squared error of the latest validation within a quarter of the timesteps")) {}

void ValidationMetrics::record(const ValidationRecord& record) {
  loss_.set(record.loss);
  for (size_t i = 0; i < quarters_.size(); ++i) quarters_[i].set(record.quarter_losses[i]);
}

QuarterLossMetrics::QuarterLossMetrics(MetricsRegistry& registry)
    : quarters_(quarter_gauges(
          registry, "sdlora_loss_by_timestep_quarter",
          "Moving average of the mean squared error of this rank's samples whose timestep lies in a "
          "quarter of the schedule")) {}

void QuarterLossMetrics::record(int64_t quarter, double loss) {
  const auto index = static_cast<size_t>(quarter);
  averages_.at(index).add(loss);
  quarters_[index].set(averages_[index].value());
}

}  // namespace sdlora::monitoring
