// A frozen projection with a low-rank branch:
//
//   x [n, in] ──┬── W, b (frozen) ─────────────────┐
//               └── A [r, in] ── B [out, r] ── × s ┴─→ y [n, out]
//
// The backward is written by hand: it adds dA and dB to the flat gradient and keeps only x and A x.
#pragma once

#include "model/projection.h"

namespace sdlora::lora {

// The tensors of one branch: views of the adapter's flat buffers, fp32.
struct LoraTensors {
  at::Tensor a;           // [r, in]
  at::Tensor b;           // [out, r]
  at::Tensor a_gradient;  // as a; undefined when the adapter is not trained
  at::Tensor b_gradient;  // as b
};

class LoraProjection final : public model::Projection {
 public:
  LoraProjection(model::ProjectionSlot base, LoraTensors tensors, double scale)
      : base_(std::move(base)), tensors_(std::move(tensors)), scale_(scale) {}

  // Computes in x's type; A and B are rounded to it.
  at::Tensor forward(const at::Tensor& x) const override;

  int64_t in_features() const override { return base_->in_features(); }

  int64_t out_features() const override { return base_->out_features(); }

  const at::Tensor& weight() const override { return base_->weight(); }

  bool is_convolution() const override { return base_->is_convolution(); }

 private:
  model::ProjectionSlot base_;
  LoraTensors tensors_;
  double scale_;  // alpha / rank
};

}  // namespace sdlora::lora
