// Prodigy (Mishchenko and Defazio 2024, "Prodigy: An Expeditiously Adaptive Parameter-Free Learner";
// prodigyopt 1.1.2): AdamW that finds its learning rate. --learning-rate 1 is what it is made for.
#pragma once

#include "trainer/optimizers/optimizer.h"
#include "trainer/options/optimizer_configs.h"

namespace sdlora::trainer {

class Prodigy : public Optimizer {
 public:
  Prodigy(const ProdigyConfig& config, const at::Tensor& parameters);

  // Waits twice for the device: d is found on the host.
  void step(const at::Tensor& gradients, double learning_rate) override;

  // d × learning_rate
  double rate_of_next_step(double learning_rate) const override { return d_.item<double>() * learning_rate; }

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
