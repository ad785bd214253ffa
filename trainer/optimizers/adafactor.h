// Adafactor (Shazeer and Stern 2018; transformers.Adafactor): of each of A and B the squares' means of rows
// and columns in place of all second moments.
#pragma once

#include <optional>

#include "trainer/optimizers/optimizer.h"

namespace sdlora::trainer {

struct AdafactorConfig {
  double square_eps = 1e-30;  // eps[0], added to squares
  double least_scale = 1e-3;  // eps[1], of the parameters' root mean square
  double clip_threshold = 1;  // of an update's root mean square
  double decay_rate = -0.8;
  std::optional<double> beta1;  // of a first moment; nothing: without
  double weight_decay = 0;
  bool scales_by_parameters = true;  // scale_parameter
  bool has_relative_step = true;     // its own learning rate, min(0.01, 1 / √t)
  bool has_warmup_init = false;      // min(1e-6 t, 1 / √t)
};

// Of --optimizer-args, by transformers' names. Throws Error(kUsage): warmup_init without relative_step, too.
AdafactorConfig adafactor_config(const OptimizerOptions& options);

class Adafactor : public Optimizer {
 public:
  Adafactor(const AdafactorConfig& config, const at::Tensor& parameters, std::vector<MatrixRange> matrices);

  // `learning_rate` counts only without relative_step.
  double step(const at::Tensor& gradients, double learning_rate) override;

  // rows [all rows], columns [all columns] f32, update_count [] f64, with beta1 first_moment [P] f32
  checkpoint::NamedTensors state() const override;

 private:
  double relative_step(double update_count) const;

  AdafactorConfig config_;
  std::vector<MatrixRange> matrices_;
  at::Tensor rows_;          // means of squares, of the rows of each matrix one after the other
  at::Tensor columns_;       // likewise
  at::Tensor update_count_;  // [] f64, on the CPU
  at::Tensor first_moment_;  // [P], or undefined
};

}  // namespace sdlora::trainer
