// AdamW (Loshchilov and Hutter 2019; torch.optim.AdamW): one fused update for all of A and B.
#pragma once

#include "trainer/optimizers/optimizer.h"

namespace sdlora::trainer {

struct AdamWConfig {
  double beta1;
  double beta2;
  double eps;
  double weight_decay;
};

// Of --adam-… and --weight-decay, and --optimizer-args betas, eps, weight_decay. Throws Error(kUsage).
AdamWConfig adamw_config(const OptimizerOptions& options);

class AdamW : public Optimizer {
 public:
  AdamW(const AdamWConfig& config, const at::Tensor& parameters);

  double step(const at::Tensor& gradients, double learning_rate) override;

  // first_moment, second_moment [P] f32, update_count [] f32
  checkpoint::NamedTensors state() const override;

 private:
  AdamWConfig config_;
  at::Tensor first_moment_;   // [P]
  at::Tensor second_moment_;  // [P]
  at::Tensor update_count_;   // []
};

}  // namespace sdlora::trainer
