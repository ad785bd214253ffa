// The exponential moving average of what is trained (OneTrainer's EMAModule, at every update): any optimiser
// with that beside it.
#pragma once

#include <memory>

#include "trainer/optimizers/optimizer.h"

namespace sdlora::trainer {

// e ← e + (1 - decay_k) (p - e) with decay_k = min((1 + k) / (10 + k), decay), k the updates before; p are
// the evaluation parameters. Before the first update e is a copy.
class MovingAverage : public Optimizer {
 public:
  MovingAverage(std::unique_ptr<Optimizer> averaged, double decay, const at::Tensor& parameters);

  void step(const at::Tensor& gradients, double learning_rate) override;

  double rate_of_next_step(double learning_rate) const override {
    return averaged_->rate_of_next_step(learning_rate);
  }

  // The optimiser's; moving_average [P] f32, moving_average_count [] f64
  checkpoint::NamedTensors state() const override;

  at::Tensor evaluation_parameters() const override { return averaged_->evaluation_parameters(); }

  std::optional<at::Tensor> moving_average() const override { return average_; }

  std::optional<WeightNorms> weight_norms() const override { return averaged_->weight_norms(); }

 private:
  std::unique_ptr<Optimizer> averaged_;
  double decay_;
  at::Tensor average_;       // [P]
  at::Tensor update_count_;  // [] f64, on the CPU
};

}  // namespace sdlora::trainer
