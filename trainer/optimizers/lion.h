// Lion (Chen et al. 2023, "Symbolic Discovery of Optimization Algorithms", Algorithm 2; lion_pytorch.Lion).
#pragma once

#include "trainer/optimizers/optimizer.h"
#include "trainer/options/optimizer_configs.h"

namespace sdlora::trainer {

// θ ← θ (1 - η λ) - η sign(β1 m + (1 - β1) g);  m ← β2 m + (1 - β2) g
class Lion : public Optimizer {
 public:
  Lion(const LionConfig& config, const at::Tensor& parameters, const at::Tensor& rate_factors = {});

  void step(const at::Tensor& gradients, double learning_rate) override;

  // moment [P] f32
  checkpoint::NamedTensors state() const override { return {{"moment", moment_}}; }

 private:
  LionConfig config_;
  at::Tensor moment_;  // [P]
};

}  // namespace sdlora::trainer
