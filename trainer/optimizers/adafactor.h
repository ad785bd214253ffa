// Adafactor (Shazeer and Stern 2018; transformers.Adafactor): of each of A and B the squares' means of rows
// and columns in place of all second moments.
#pragma once

#include "trainer/optimizers/optimizer.h"
#include "trainer/options/optimizer_configs.h"

namespace sdlora::trainer {

class Adafactor : public Optimizer {
 public:
  Adafactor(const AdafactorConfig& config, const at::Tensor& parameters, std::vector<MatrixRange> matrices);

  // `learning_rate` counts only without relative_step. For each matrix some 25 small operations.
  void step(const at::Tensor& gradients, double learning_rate) override;

  // Before it is scaled by a matrix's root mean square.
  double rate_of_next_step(double learning_rate) const override;

  // rows [all rows], columns [all columns] f32, update_count [] f64, with beta1 first_moment [P] f32
  checkpoint::NamedTensors state() const override;

 private:
  AdafactorConfig config_;
  std::vector<MatrixRange> matrices_;
  at::Tensor rows_;          // means of squares, of the rows of each matrix one after the other
  at::Tensor columns_;       // likewise
  at::Tensor update_count_;  // [] f64, on the CPU
  at::Tensor first_moment_;  // [P], or undefined
};

}  // namespace sdlora::trainer
