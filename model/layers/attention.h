// Multi-head attention over the tokens of an image (Vaswani et al. 2017; diffusers Attention with
// AttnProcessor2_0).
#pragma once

#include "model/kernels/cpu_kernels.h"
#include "model/layers/slot_visitor.h"

namespace sdlora::model {

// q [B, N, C], k and v [B, M, C], split into heads → [B, N, C]. By ATen.
at::Tensor scaled_dot_product_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                        int64_t head_count, bool is_causal = false);

class Attention {
 public:
  // Keys and values come from a context of `context_channels`: the image itself, or the caption.
  Attention(const WeightSource& weights, int64_t channels, int64_t context_channels, int64_t head_count);

  // x [B, N, C], context [B, M, context_channels] → [B, N, C]
  at::Tensor forward(const at::Tensor& x, const at::Tensor& context) const;

  void visit_slots(const std::string& path, const SlotVisitor& visitor);

 private:
  int64_t head_count_;
  kernels::AttentionKernel kernel_;
  ProjectionSlot to_q_, to_k_, to_v_, to_out_;
};

}  // namespace sdlora::model
