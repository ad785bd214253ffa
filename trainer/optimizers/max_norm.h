// A bound on what a module adds to its weight (kohya's scale_weight_norms, Salama's "max norm
// regularisation"): any optimiser with that behind it.
#pragma once

#include <memory>

#include "trainer/optimizers/optimizer.h"

namespace sdlora::trainer {

// After each update, of every module whose n = ‖s B A‖_F is above `largest`: A and B times √(largest / n).
class MaxNorm : public Optimizer {
 public:
  // matrices: A, B of module 0, A, B of module 1 …; scales: s of each module. Of optimisers whose evaluation
  // parameters are the trained ones.
  MaxNorm(std::unique_ptr<Optimizer> bounded, double largest, const at::Tensor& parameters,
          std::vector<MatrixRange> matrices, const std::vector<double>& scales);

  void step(const at::Tensor& gradients, double learning_rate) override;

  double rate_of_next_step(double learning_rate) const override {
    return bounded_->rate_of_next_step(learning_rate);
  }

  checkpoint::NamedTensors state() const override { return bounded_->state(); }

  std::optional<WeightNorms> weight_norms() const override { return norms_; }

 private:
  at::Tensor matrix(size_t index) const;  // [rows, columns], a view
  at::Tensor norms_of_modules() const;    // [modules] f64, on the CPU

  std::unique_ptr<Optimizer> bounded_;
  double largest_;
  std::vector<MatrixRange> matrices_;
  at::Tensor scales_;                 // [modules] f64, on the CPU
  std::optional<WeightNorms> norms_;  // nothing before the first step
};

}  // namespace sdlora::trainer
