#include "trainer/optimizers/max_norm.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <ATen/ATen.h>

namespace sdlora::trainer {

MaxNorm::MaxNorm(std::unique_ptr<Optimizer> bounded, double largest, const at::Tensor& parameters,
                 std::vector<MatrixRange> matrices, const std::vector<double>& scales)
    : Optimizer(parameters),
      bounded_(std::move(bounded)),
      largest_(largest),
      matrices_(std::move(matrices)),
      scales_(at::tensor(scales, at::kDouble)) {
  TORCH_INTERNAL_ASSERT(matrices_.size() == 2 * scales.size());
}

at::Tensor MaxNorm::matrix(size_t index) const {
  const MatrixRange& range = matrices_[index];
  return parameters_.detach()
      .narrow(0, range.first, range.count())
      .view({range.row_count, range.column_count});
}

// ‖B A‖² = Σ (BᵀB) ⊙ (A Aᵀ), both [r, r], so that no product of the weight's size is made.
at::Tensor MaxNorm::norms_of_modules() const {
  std::vector<at::Tensor> squares;
  for (size_t i = 0; i < matrices_.size(); i += 2) {
    const at::Tensor a = matrix(i), b = matrix(i + 1);  // [r, in], [out, r]
    squares.push_back((at::mm(b.t(), b) * at::mm(a, a.t())).sum());
  }
  return at::stack(squares).to(at::kCPU, at::kDouble).clamp_min(0).sqrt() * scales_;
}

void MaxNorm::step(const at::Tensor& gradients, double learning_rate) {
  bounded_->step(gradients, learning_rate);
  const at::Tensor norms = norms_of_modules();
  const double* norm = norms.const_data_ptr<double>();
  WeightNorms found;
  for (size_t module = 0; module < matrices_.size() / 2; ++module, ++norm) {
    if (*norm > largest_) {
      const double factor = std::sqrt(largest_ / *norm);
      matrix(2 * module).mul_(factor);
      matrix(2 * module + 1).mul_(factor);
      ++found.scaled_count;
    }
    found.largest = std::max(found.largest, std::min(*norm, largest_));
    found.mean += std::min(*norm, largest_) * 2 / static_cast<double>(matrices_.size());
  }
  norms_ = found;
}

}  // namespace sdlora::trainer
