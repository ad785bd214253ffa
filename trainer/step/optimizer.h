// AdamW on the flat parameter buffer (Loshchilov and Hutter 2019; torch.optim.AdamW): one fused update for
// all of A and B.
#pragma once

#include "checkpoint/named_tensors.h"

namespace sdlora::trainer {

struct AdamWConfig {
  double beta1;
  double beta2;
  double eps;
  double weight_decay;
};

class AdamW {
 public:
  // `parameters` [P] f32 is updated in place by step().
  AdamW(const AdamWConfig& config, const at::Tensor& parameters);

  // gradients [P] f32, as they shall be applied: reduced, unscaled, clipped.
  void step(const at::Tensor& gradients, double learning_rate);

  // first_moment, second_moment [P] f32, update_count [] f32
  checkpoint::NamedTensors state() const;

  // Throws Error(kBadData) when names or shapes do not fit.
  void load(const checkpoint::NamedTensors& state);

 private:
  AdamWConfig config_;
  at::Tensor parameters_;     // [P]
  at::Tensor first_moment_;   // [P]
  at::Tensor second_moment_;  // [P]
  at::Tensor update_count_;   // []
};

// Scales `gradients` down, in place, so that their 2-norm is at most max_norm
// (torch.nn.utils.clip_grad_norm_); 0: never. Returns the norm before. Summed in fp64.
double clip_gradient_norm(at::Tensor& gradients, double max_norm);

// By which clip_gradient_norm() scales gradients of this norm: 1 or less.
double clip_factor(double norm, double max_norm);

}  // namespace sdlora::trainer
