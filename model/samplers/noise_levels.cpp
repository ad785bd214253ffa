#include "model/samplers/noise_levels.h"

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>

namespace sdlora::model {

std::vector<float> noise_levels_of(const NoiseSchedule& schedule) {
  const at::Tensor alphas = schedule.nonzero_alphas_cumprod();
  const at::Tensor levels = ((1 - alphas) / alphas).sqrt().contiguous();  // [T]
  return {levels.const_data_ptr<float>(), levels.const_data_ptr<float>() + levels.numel()};
}

double noise_level_at(const std::vector<float>& levels, double timestep) {
  const auto below = static_cast<size_t>(timestep);
  if (below + 1 >= levels.size()) return levels.back();
  const double slope = double{levels[below + 1]} - double{levels[below]};
  return slope * (timestep - static_cast<double>(below)) + levels[below];
}

std::vector<double> karras_levels(const std::vector<float>& levels, int64_t count) {
  constexpr double kRho = 7;
  const double least = std::pow(double{levels.front()}, 1 / kRho);
  const double greatest = std::pow(double{levels.back()}, 1 / kRho);
  std::vector<double> result;
  for (int64_t i = 0; i < count; ++i) {
    const double way = count == 1 ? 0 : static_cast<double>(i) / static_cast<double>(count - 1);
    result.push_back(std::pow(greatest + way * (least - greatest), kRho));
  }
  return result;
}

double timestep_of_level(const std::vector<float>& levels, double level) {
  const double log_level = std::log(std::max(level, 1e-10));
  const auto is_below = [&](float other) { return double{std::log(other)} <= log_level; };
  const auto above = std::partition_point(levels.begin(), levels.end(), is_below) - levels.begin();
  const auto low = std::clamp<int64_t>(above - 1, 0, static_cast<int64_t>(levels.size()) - 2);
  const float log_low = std::log(levels[static_cast<size_t>(low)]);
  const float log_high = std::log(levels[static_cast<size_t>(low) + 1]);
  const double way = std::clamp((log_low - log_level) / double{log_low - log_high}, 0.0, 1.0);
  return (1 - way) * static_cast<double>(low) + way * static_cast<double>(low + 1);
}

}  // namespace sdlora::model
