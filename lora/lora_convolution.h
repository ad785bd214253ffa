// A frozen convolution with a low-rank branch (LoCon: A is a convolution of the layer's kernel, stride and
// padding to r channels, B one of 1×1):
//
//   x [B, in, h, w] ──┬── W, b (frozen) ──────────────────────┐
//                     └── A [r, in, k, k] ── B [out, r] ── × s ┴─→ y [B, out, h', w']
//
// Never merged: the kernels want W in forms of their own (Winograd's), which cost more to make anew than the
// branch does. The backward is written by hand and keeps x, A x and the factors of dropout. In 16 bits dA is
// rounded once, as it comes out of the convolution's kernel, before it is added in fp32.
#pragma once

#include "lora/branch.h"
#include "model/layers/convolution_slot.h"

namespace sdlora::lora {

class LoraConvolution final : public model::AdaptableConvolution {
 public:
  // branch.a [r, in·k·k] in the order [r, in, k, k]. Throws Error(kInternal) when `frozen` has an adapter
  // already.
  LoraConvolution(model::ConvolutionSlot frozen, Branch branch);

  // Computes in x's type; A and B are rounded to it.
  at::Tensor forward(const at::Tensor& x) const override;

  const model::Convolution& base() const override { return frozen_->base(); }

 private:
  model::ConvolutionSlot frozen_;
  Branch branch_;
};

}  // namespace sdlora::lora
