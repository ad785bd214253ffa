// A frozen projection with a low-rank branch:
//
//   x [n, in] ──┬── W, b (frozen) ─────────────────┐
//               └── A [r, in] ── B [out, r] ── × s ┴─→ y [n, out]
//
// In fp32 on the CPU the branch is merged: W + s B A, computed anew when A or B has changed, so that the
// forward and dx cost no more than without an adapter. In 16 bits the sum would round small branches away, so
// there the branch is computed beside W.
//
// The backward is written by hand: it adds dA and dB to the flat gradient and keeps only x (and A x).
#pragma once

#include <memory>

#include "lora/rounded_parameters.h"
#include "model/layers/projection.h"

namespace sdlora::lora {

// The tensors of one branch: views of the adapter's flat buffers, fp32.
struct LoraTensors {
  at::Tensor a;                                // [r, in]
  at::Tensor b;                                // [out, r]
  at::Tensor a_gradient;                       // as a
  at::Tensor b_gradient;                       // as b
  std::shared_ptr<RoundedParameters> rounded;  // of their flat buffer; none: rounded at every use

  // In the type that x is computed in.
  at::Tensor a_in(at::ScalarType type) const { return rounded ? rounded->of(a, type) : a.detach().to(type); }

  at::Tensor b_in(at::ScalarType type) const { return rounded ? rounded->of(b, type) : b.detach().to(type); }
};

class LoraProjection final : public model::Projection {
 public:
  // Throws Error(kInternal) when `frozen` has an adapter already: only one is merged.
  LoraProjection(model::ProjectionSlot frozen, LoraTensors tensors, double scale);

  // Computes in x's type; A and B are rounded to it.
  at::Tensor forward(const at::Tensor& x) const override;

  const model::Linear& base() const override { return frozen_->base(); }

  bool is_convolution() const override { return frozen_->is_convolution(); }

 private:
  const model::Linear& merged() const;

  model::ProjectionSlot frozen_;
  LoraTensors tensors_;
  double scale_;  // alpha / rank
  mutable model::Linear merged_;
  mutable int64_t merged_version_ = 0;  // of A and B, as autograd counts changes in place
};

}  // namespace sdlora::lora
