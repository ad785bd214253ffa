// A frozen convolution with a branch and a magnitude (lora_convolution.h, magnitude.h):
//
//   y = g ⊙ (W * x + s B (A * x)) + b
//
// Never merged. The backward is written by hand, and keeps x, A x and y.
#pragma once

#include "lora/branch.h"
#include "lora/magnitude.h"
#include "model/layers/convolution_slot.h"

namespace sdlora::lora {

class DoraConvolution final : public model::AdaptableConvolution {
 public:
  DoraConvolution(model::ConvolutionSlot frozen, Branch branch, std::shared_ptr<Magnitude> magnitude);

  // Computes in x's type; A, B and g are rounded to it.
  at::Tensor forward(const at::Tensor& x) const override;

  const model::Convolution& base() const override { return frozen_->base(); }

 private:
  model::ConvolutionSlot frozen_;
  Branch branch_;
  std::shared_ptr<Magnitude> magnitude_;
};

}  // namespace sdlora::lora
