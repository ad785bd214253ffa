#include "monitoring/records/metrics_history.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <string>

#include <nlohmann/json.hpp>

#include "common/json_text.h"

namespace sdlora::monitoring {
namespace {

using Json = nlohmann::json;

// A tenth of the run: enough to see through the noise, and not so much that a short run's curve lags behind.
int64_t smoothing_steps_of(const Curve& loss) {
  return std::clamp<int64_t>(static_cast<int64_t>(loss.size()) / 10, 5, 50);
}

void append(Curve& curve, int64_t step, const Json& record, const std::string& name) {
  const auto found = record.find(name);
  if (found != record.end() && found->is_number()) curve.push_back({step, found->get<double>()});
}

double number_or_zero(const Json& record, const char* name) {
  const auto found = record.find(name);
  return found != record.end() && found->is_number() ? found->get<double>() : 0;
}

void append(MetricsHistory& history, const Json& record) {
  const auto step = record["step"].get<int64_t>();
  if (step > 0) ++history.step_count;
  append(history.loss, step, record, "loss");
  append(history.gradient_norm, step, record, "grad_norm");
  append(history.learning_rate, step, record, "learning_rate");
  append(history.samples_per_second, step, record, "samples_per_second");
  append(history.validation_loss, step, record, "validation_loss");
  for (size_t quarter = 0; quarter < kTimestepQuarters; ++quarter)
    append(history.validation_quarters[quarter], step, record,
           "validation_loss_q" + std::to_string(quarter + 1));
  if (record.value("skipped", Json(false)) == true) history.skipped_steps.push_back(step);
  history.training_seconds += number_or_zero(record, "step_seconds");
  history.validation_seconds += number_or_zero(record, "validation_seconds");
}

}  // namespace

MetricsHistory read_metrics_history(const std::filesystem::path& file) {
  MetricsHistory history;
  std::ifstream stream(file);
  for (std::string line; std::getline(stream, line);) {
    const Json record = parse_json_or_discard(line);
    if (record.is_object() && record.contains("step") && record["step"].is_number_integer())
      append(history, record);
  }
  history.smoothing_steps = smoothing_steps_of(history.loss);
  history.smoothed_loss = smooth(history.loss, 1 - 1 / static_cast<double>(history.smoothing_steps));
  return history;
}

Curve smooth(const Curve& curve, double memory) {
  Curve smoothed;
  double average = 0, weight = 0;
  for (const CurvePoint& point : curve) {
    average = memory * average + (1 - memory) * point.value;
    weight = memory * weight + (1 - memory);
    smoothed.push_back({point.step, average / weight});
  }
  return smoothed;
}

Curve thin(const Curve& curve, size_t max_points) {
  if (curve.size() <= max_points || max_points < 4) return curve;
  const size_t stretch_count = (max_points - 2) / 2;
  Curve kept{curve.front()};
  for (size_t stretch = 0; stretch < stretch_count; ++stretch) {
    const auto at = [&](size_t i) {
      return curve.begin() + static_cast<int64_t>(1 + i * (curve.size() - 2) / stretch_count);
    };
    const auto [low, high] =
        std::minmax_element(at(stretch), at(stretch + 1),
                            [](const auto& one, const auto& other) { return one.value < other.value; });
    kept.push_back(*std::min(low, high));
    if (low != high) kept.push_back(*std::max(low, high));
  }
  kept.push_back(curve.back());
  return kept;
}

}  // namespace sdlora::monitoring
