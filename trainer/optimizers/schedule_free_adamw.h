// Schedule-free AdamW (Defazio et al. 2024, "The Road Less Scheduled"; schedulefree.AdamWScheduleFree 1.4):
// the gradient is taken at y, a base sequence z goes on, and x, a running mean of z, is what is learnt.
#pragma once

#include "trainer/optimizers/optimizer.h"
#include "trainer/options/optimizer_configs.h"

namespace sdlora::trainer {

// The parameters are y.
class ScheduleFreeAdamW : public Optimizer {
 public:
  ScheduleFreeAdamW(const ScheduleFreeConfig& config, const at::Tensor& parameters,
                    const at::Tensor& rate_factors, int64_t warmup_steps);

  // `learning_rate`: the peak; warmed up here, from 1 / warmup_steps of it on.
  void step(const at::Tensor& gradients, double learning_rate) override;

  double rate_of_next_step(double learning_rate) const override;

  // y, z, second_moment [P] f32; of [] f64 update_count, greatest_rate, weight_sum
  checkpoint::NamedTensors state() const override;

  // x = y + (1 - 1 / β1) (z - y)
  at::Tensor evaluation_parameters() const override;

 private:
  ScheduleFreeConfig config_;
  int64_t warmup_steps_;
  at::Tensor z_;                                          // [P]
  at::Tensor second_moment_;                              // [P]
  at::Tensor update_count_, greatest_rate_, weight_sum_;  // [] f64, on the CPU
};

}  // namespace sdlora::trainer
