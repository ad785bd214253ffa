// AdamW (Loshchilov and Hutter 2019; torch.optim.AdamW): one fused update for all of A and B.
#pragma once

#include <array>
#include <vector>

#include "trainer/optimizers/optimizer.h"
#include "trainer/options/optimizer_configs.h"

namespace sdlora::trainer {

class AdamW : public Optimizer {
 public:
  // `matrices`: for their learning rates; none: that of all is the same.
  AdamW(const AdamWConfig& config, const at::Tensor& parameters,
        const std::vector<MatrixRange>& matrices = {});

  void step(const at::Tensor& gradients, double learning_rate) override;

  // first_moment, second_moment [P] f32, update_count [] f32
  checkpoint::NamedTensors state() const override;

 private:
  // What is updated with one learning rate.
  struct Group {
    double rate_factor;
    std::vector<std::array<int64_t, 2>> ranges;  // first and count
  };

  void update(const Group& group, const at::Tensor& gradients, double learning_rate);

  AdamWConfig config_;
  std::vector<Group> groups_;
  at::Tensor first_moment_;   // [P]
  at::Tensor second_moment_;  // [P]
  at::Tensor update_count_;   // []
};

}  // namespace sdlora::trainer
