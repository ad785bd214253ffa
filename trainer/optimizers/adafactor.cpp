#include "trainer/optimizers/adafactor.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <ATen/ATen.h>

namespace sdlora::trainer {
namespace {

constexpr double kLargestRelativeStep = 1e-2;
constexpr double kWarmupPerStep = 1e-6;

// √(mean of squares). [] f32, which waits for no device.
at::Tensor root_mean_square(const at::Tensor& values) {
  return values.norm() / std::sqrt(static_cast<double>(values.numel()));
}

// u = g / √V, V[i, j] = R[i] C[j] / mean R (Algorithm 4). gradient, result [rows, columns]
at::Tensor factored_update(const at::Tensor& gradient, const at::Tensor& rows, const at::Tensor& columns) {
  const at::Tensor of_rows = (rows / rows.mean()).rsqrt().unsqueeze(1);
  return of_rows * columns.rsqrt().unsqueeze(0) * gradient;
}

}  // namespace

Adafactor::Adafactor(const AdafactorConfig& config, const at::Tensor& parameters,
                     std::vector<MatrixRange> matrices)
    : Optimizer(parameters),
      config_(config),
      matrices_(std::move(matrices)),
      update_count_(at::zeros({}, at::kDouble)) {
  int64_t row_count = 0, column_count = 0;
  for (const MatrixRange& matrix : matrices_) {
    row_count += matrix.row_count;
    column_count += matrix.column_count;
  }
  rows_ = at::zeros({row_count}, parameters.options());
  columns_ = at::zeros({column_count}, parameters.options());
  if (config_.beta1) first_moment_ = at::zeros_like(parameters);
}

double Adafactor::rate_of_next_step(double learning_rate) const {
  if (!config_.has_relative_step) return learning_rate;
  const double next_count = update_count_.item<double>() + 1;  // t
  const double most = config_.has_warmup_init ? kWarmupPerStep * next_count : kLargestRelativeStep;
  return std::min(most, 1 / std::sqrt(next_count));
}

void Adafactor::step(const at::Tensor& gradients, double learning_rate) {
  const double rate = rate_of_next_step(learning_rate);
  const double count = update_count_.add_(1).item<double>();     // t
  const double decay = 1 - std::pow(count, config_.decay_rate);  // β2 of step t
  int64_t first_row = 0, first_column = 0;
  for (const MatrixRange& matrix : matrices_) {
    const auto of_matrix = [&matrix](const at::Tensor& buffer) {
      return buffer.narrow(0, matrix.first, matrix.count()).view({matrix.row_count, matrix.column_count});
    };
    at::Tensor values = of_matrix(parameters_);
    const at::Tensor gradient = of_matrix(gradients);
    at::Tensor rows = rows_.narrow(0, first_row, matrix.row_count);
    at::Tensor columns = columns_.narrow(0, first_column, matrix.column_count);
    first_row += matrix.row_count;
    first_column += matrix.column_count;
    at::Tensor scaled_rate = at::scalar_tensor(rate * matrix.rate_factor);
    if (config_.scales_by_parameters)
      scaled_rate = root_mean_square(values).clamp_min(config_.least_scale) * scaled_rate;
    const at::Tensor squares = gradient.square() + config_.square_eps;
    rows.mul_(decay).add_(squares.mean(1), 1 - decay);
    columns.mul_(decay).add_(squares.mean(0), 1 - decay);
    at::Tensor update = factored_update(gradient, rows, columns);
    update /= (root_mean_square(update) / config_.clip_threshold).clamp_min(1);
    update *= scaled_rate;
    if (config_.beta1)
      update = of_matrix(first_moment_).mul_(*config_.beta1).add_(update, 1 - *config_.beta1);
    if (config_.weight_decay != 0) values -= values * (config_.weight_decay * scaled_rate);
    values -= update;
  }
}

checkpoint::NamedTensors Adafactor::state() const {
  checkpoint::NamedTensors state{{"rows", rows_}, {"columns", columns_}, {"update_count", update_count_}};
  if (config_.beta1) state["first_moment"] = first_moment_;
  return state;
}

}  // namespace sdlora::trainer
