// A frozen projection with a low-rank branch:
//
//   x [n, in] ──┬── W, b (frozen) ─────────────────┐
//               └── A [r, in] ── B [out, r] ── × s ┴─→ y [n, out]
//
// In fp32 on the CPU the branch is merged: W + s B A, computed anew when A or B has changed, so that the
// forward and dx cost no more than without an adapter. In 16 bits the sum would round small branches away, so
// there the branch is computed beside W; and so it is where dropout makes it another for each sample.
//
// The backward is written by hand: it adds dA and dB to the flat gradient and keeps only x (and A x, and the
// factors of dropout).
#pragma once

#include "lora/branch.h"
#include "lora/merged_weight.h"
#include "model/layers/projection.h"

namespace sdlora::lora {

class LoraProjection final : public model::Projection {
 public:
  // Throws Error(kInternal) when `frozen` has an adapter already: only one is merged.
  LoraProjection(model::ProjectionSlot frozen, Branch branch);

  // Computes in x's type; A and B are rounded to it.
  at::Tensor forward(const at::Tensor& x) const override;

  const model::Linear& base() const override { return frozen_->base(); }

  bool is_convolution() const override { return frozen_->is_convolution(); }

 private:
  model::ProjectionSlot frozen_;
  Branch branch_;
  mutable MergedWeight merged_;
};

}  // namespace sdlora::lora
