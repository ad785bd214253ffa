#include "trainer/batches/timestep_draw.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "common/error.h"

namespace sdlora::trainer {
namespace {

double sigmoid(double x) {
  return 1 / (1 + std::exp(-x));
}

double chance_at(double place, const TimestepOptions& options) {
  if (options.sampling == TimestepSampling::kSigmoid)
    return sigmoid(options.weight * (place - options.bias - 0.5));
  constexpr double kPi = std::numbers::pi;
  return 2 / (kPi - 2 * kPi * place + 2 * kPi * place * place);
}

at::Tensor chances_of(const TimestepOptions& options) {
  if (options.sampling != TimestepSampling::kSigmoid && options.sampling != TimestepSampling::kCosMap)
    return {};
  const int64_t count = options.bound - options.least;
  std::vector<double> chances;
  chances.reserve(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    const double place = count == 1 ? 0 : static_cast<double>(i) / static_cast<double>(count - 1);
    chances.push_back(chance_at(place, options));
  }
  return at::tensor(chances, at::kDouble);
}

}  // namespace

TimestepDraw::TimestepDraw(const TimestepOptions& options, int64_t timestep_count) : options_(options) {
  if (options_.bound == 0) options_.bound = timestep_count;
  if (options_.bound > timestep_count || options_.least >= options_.bound)
    throw Error(ExitCode::kUsage,
                {.what = "the model has no such timesteps",
                 .expected = fmt::format("some of 0 to {}", timestep_count - 1),
                 .seen = fmt::format("--min-timestep {} --max-timestep {}", options.least, options_.bound)});
  chances_ = chances_of(options_);
  if (chances_.defined() && !(chances_.sum().item<double>() > 0))
    throw Error(ExitCode::kUsage, {.what = "no timestep has a chance of being drawn",
                                   .expected = "a --timestep-bias and --timestep-weight nearer to 0",
                                   .seen = fmt::format("{:g} and {:g}", options.bias, options.weight)});
}

at::Tensor TimestepDraw::draw(at::Generator generator) const {
  if (chances_.defined())
    return options_.least + at::multinomial(chances_, 1, /*replacement=*/true, generator);
  if (options_.sampling == TimestepSampling::kUniform)
    return at::randint(options_.least, options_.bound, {1}, generator, at::kLong);
  const double normal_draw = at::randn({1}, generator, at::kDouble).item<double>();
  return at::tensor(std::vector<int64_t>{logit_normal_timestep(normal_draw)}, at::kLong);
}

int64_t TimestepDraw::logit_normal_timestep(double normal_draw) const {
  const int64_t count = options_.bound - options_.least;
  const double share = sigmoid(options_.bias + (1 + options_.weight) * normal_draw);
  return options_.least + std::min(count - 1, static_cast<int64_t>(static_cast<double>(count) * share));
}

}  // namespace sdlora::trainer
