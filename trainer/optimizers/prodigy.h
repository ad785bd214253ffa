// Prodigy (Mishchenko and Defazio 2024, "Prodigy: An Expeditiously Adaptive Parameter-Free Learner";
// prodigyopt 1.1.2): AdamW that finds its learning rate. --learning-rate 1 is what it is made for.
#pragma once

#include <limits>
#include <optional>

#include "trainer/optimizers/optimizer.h"

namespace sdlora::trainer {

struct ProdigyConfig {
  double beta1 = 0.9;
  double beta2 = 0.999;
  std::optional<double> beta3;  // nothing: √β2
  double eps = 1e-8;
  double weight_decay = 0;
  bool is_decay_decoupled = true;  // decouple
  bool corrects_bias = false;      // use_bias_correction
  bool guards_warmup = false;      // safeguard_warmup
  double d0 = 1e-6;
  double d_coef = 1;
  double growth_rate = std::numeric_limits<double>::infinity();
};

// Of --optimizer-args, by prodigyopt's names. Throws Error(kUsage).
ProdigyConfig prodigy_config(const OptimizerOptions& options);

class Prodigy : public Optimizer {
 public:
  Prodigy(const ProdigyConfig& config, const at::Tensor& parameters);

  // Returns d × learning_rate.
  double step(const at::Tensor& gradients, double learning_rate) override;

  // begin, weighted_gradients, first_moment, second_moment [P] f32; of [] f64 d, greatest_d, numerator,
  // update_count, and has_begun
  checkpoint::NamedTensors state() const override;

 private:
  ProdigyConfig config_;
  at::Tensor begin_;               // [P], the parameters before the first step
  at::Tensor weighted_gradients_;  // [P], s
  at::Tensor first_moment_;        // [P]
  at::Tensor second_moment_;       // [P]
  at::Tensor d_, greatest_d_, numerator_, update_count_, has_begun_;  // [] f64, on the CPU
};

}  // namespace sdlora::trainer
