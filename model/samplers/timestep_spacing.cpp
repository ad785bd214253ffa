#include "model/samplers/timestep_spacing.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "common/error.h"

namespace sdlora::model {
namespace {

std::vector<double> linspace_down(int64_t timestep_count, int64_t count) {
  const double last = static_cast<double>(timestep_count - 1);
  if (count == 1) return {0};
  const double step = last / static_cast<double>(count - 1);
  std::vector<double> values;
  for (int64_t i = count - 1; i >= 0; --i)
    values.push_back(i == count - 1 ? last : static_cast<double>(i) * step);
  return values;
}

// numpy.arange(first, 0, -stride): as many values as fit, each from the rounded difference of the first two.
std::vector<double> trailing_down(double first, double stride) {
  const double rounded_stride = (first - stride) - first;
  const auto value_count = static_cast<int64_t>(std::ceil(-first / -stride));
  std::vector<double> values;
  for (int64_t i = 0; i < value_count; ++i)
    values.push_back(std::nearbyint(first + static_cast<double>(i) * rounded_stride) - 1);
  return values;
}

}  // namespace

TimestepSpacing timestep_spacing_of(const ModelConfig& config, TimestepSpacing fallback) {
  const std::string name = config.text("timestep_spacing", "");
  if (name.empty()) return fallback;
  if (name == "linspace") return TimestepSpacing::kLinspace;
  if (name == "leading") return TimestepSpacing::kLeading;
  if (name == "trailing") return TimestepSpacing::kTrailing;
  config.refuse("timestep_spacing", "\"linspace\", \"leading\" or \"trailing\"");
}

std::vector<double> spaced_timesteps(TimestepSpacing spacing, const TimestepRange& range, int64_t count,
                                     int64_t offset) {
  if (spacing == TimestepSpacing::kLinspace) return linspace_down(range.usable_count, count);
  if (spacing == TimestepSpacing::kTrailing)
    return trailing_down(static_cast<double>(range.usable_count),
                         static_cast<double>(range.count) / static_cast<double>(count));
  const int64_t stride = range.usable_count / count;  // whole
  std::vector<double> values;
  for (int64_t i = count - 1; i >= 0; --i) values.push_back(static_cast<double>(i * stride + offset));
  return values;
}

void round_timesteps(std::vector<double>& timesteps) {
  for (double& timestep : timesteps) timestep = std::nearbyint(timestep);
}

void require_inside_schedule(const std::vector<double>& timesteps, int64_t timestep_count,
                             int64_t step_count) {
  const auto [lowest, highest] = std::minmax_element(timesteps.begin(), timesteps.end());
  if (*lowest >= 0 && *highest <= static_cast<double>(timestep_count - 1)) return;
  throw Error(ExitCode::kUsage,
              {.what = fmt::format("{} steps do not fit the model's noise schedule", step_count),
               .expected = fmt::format("timesteps within 0 … {}", timestep_count - 1),
               .seen = fmt::format("{} … {}", *lowest, *highest),
               .advice = "ask for another number of steps"});
}

void require_step_count(int64_t step_count, int64_t most) {
  if (step_count >= 1 && step_count <= most) return;
  throw Error(ExitCode::kUsage, {.what = "the number of steps does not fit the model's noise schedule",
                                 .expected = fmt::format("1 … {}", most),
                                 .seen = std::to_string(step_count)});
}

}  // namespace sdlora::model
