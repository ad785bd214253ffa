// What DoRA trains besides A and B (Liu et al. 2024): W x becomes g ⊙ V x with V = W + s B A and g = m / ‖V‖,
// by output. In the backward ‖V‖ is a constant, as the paper's section 4.3 and PEFT (tuners/lora/dora.py)
// have it.
#pragma once

#include <ATen/core/Tensor.h>

#include "lora/branch.h"

namespace sdlora::lora {

class Magnitude {
 public:
  // values, gradient [out] f32: views of the adapter's flat buffers. weight [out, in] or [out, in, k, k]: the
  // frozen one, of which no copy is made in either layout. Begins at ‖W‖ (of a row of zeros just above 0), so
  // that nothing changes before the first step.
  Magnitude(at::Tensor values, at::Tensor gradient, const at::Tensor& weight);

  // g [out] f32, worked out anew when m, A or B has changed, in the same memory.
  at::Tensor gain(const Branch& branch) const;

  // Makes it ‖V‖, so that g is 1: for A and B that come from a LoRA.
  void set_to_length(const Branch& branch);

  // dm += Σ dy ⊙ (y - b) / m, with dy and y [n, out], b [out] or undefined. A row of zeros, of which y - b is
  // rounding alone, has none.
  void add_gradient(const at::Tensor& dy, const at::Tensor& y, const at::Tensor& bias) const;

 private:
  at::Tensor lengths(const Branch& branch) const;  // ‖V‖ [out] f32
  at::Tensor in_order(const at::Tensor& a) const;  // [r, in] as weight_ has its columns

  at::Tensor values_;     // [out]
  at::Tensor gradient_;   // [out]
  int64_t kernel_cells_;  // k·k where weight_ is [out, k·k·in], of a channels-last weight; else 0
  at::Tensor weight_;     // [out, in] (of a convolution in·k·k), in the model's type
  at::Tensor squares_;    // [out] f32: ‖W‖²
  at::Tensor gain_;       // [out] f32, a CUDA graph reads it
  mutable int64_t gain_version_ = -1;
};

// g ⊙ (y - bias) + scale · part + bias, for y and part [..., out] or maps with `gain` and `bias` [1, out, 1,
// 1]; bias undefined: 0. The sum is f32 and rounded once to y's type: between 1 and 1.0078 bfloat16 has no
// numbers, so g, and g ⊙ y without the branch, would be 1 and y again.
at::Tensor with_gain_and_branch(const at::Tensor& y, const at::Tensor& gain, const at::Tensor& bias,
                                const at::Tensor& part, double scale);

// g ⊙ B [out, r], rounded once to `type`
at::Tensor b_times_gain(const Branch& branch, const at::Tensor& gain, at::ScalarType type);

}  // namespace sdlora::lora
