// A frozen projection with a branch and a magnitude (magnitude.h):
//
//   y = g ⊙ (W x + s B A x) + b
//
// In fp32 on the CPU both are merged, g ⊙ (W + s B A), computed anew when they have changed; otherwise, and
// with dropout, the branch is computed beside W. The backward is written by hand, and keeps x and y (and A
// x).
#pragma once

#include "lora/branch.h"
#include "lora/magnitude.h"
#include "lora/merged_weight.h"
#include "model/layers/projection.h"

namespace sdlora::lora {

class DoraProjection final : public model::Projection {
 public:
  DoraProjection(model::ProjectionSlot frozen, Branch branch, std::shared_ptr<Magnitude> magnitude);

  // Computes in x's type; A, B and g are rounded to it.
  at::Tensor forward(const at::Tensor& x) const override;

  const model::Linear& base() const override { return frozen_->base(); }

  bool is_convolution() const override { return frozen_->is_convolution(); }

 private:
  model::ProjectionSlot frozen_;
  Branch branch_;
  std::shared_ptr<Magnitude> magnitude_;
  mutable MergedWeight merged_;
};

}  // namespace sdlora::lora
