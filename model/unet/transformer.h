// The UNet's spatial transformer (diffusers Transformer2DModel, BasicTransformerBlock, GEGLU; Rombach et al.
// 2022).
#pragma once

#include <vector>

#include "model/layers/attention.h"
#include "model/layers/normalization.h"

namespace sdlora::model {

struct TransformerShape {
  int64_t channels;
  int64_t context_channels;  // width of a caption token
  int64_t head_count;
  int64_t layer_count;
  int64_t norm_group_count;
  bool
      uses_linear_projection;  // how proj_in and proj_out are stored: matrix (SD 2) or 1×1 convolution (SD 1)
};

// Self attention, cross attention, gated feed forward; each on a normalised copy, added back.
class TransformerBlock {
 public:
  TransformerBlock(const WeightSource& weights, const TransformerShape& shape);

  // x [B, N, C], text_embeddings [B, L, context_channels] → [B, N, C]
  at::Tensor forward(const at::Tensor& x, const at::Tensor& text_embeddings) const;

  void visit_slots(const std::string& path, const SlotVisitor& visitor);

 private:
  at::Tensor compute(const at::Tensor& x, const at::Tensor& text_embeddings) const;

  // Shazeer 2020, "GLU variants": (x W₁) ⊙ GELU(x W₂), then back to C.
  at::Tensor feed_forward(const at::Tensor& x) const;

  bool fuses_elementwise_;
  bool is_recomputed_;  // in the backward
  LayerNorm norm1_, norm2_, norm3_;
  Attention self_attention_, cross_attention_;
  ProjectionSlot ff_in_, ff_out_;
};

class Transformer {
 public:
  Transformer(const WeightSource& weights, const TransformerShape& shape);

  // x [B, C, h, w], text_embeddings [B, L, context_channels] → [B, C, h, w]
  at::Tensor forward(const at::Tensor& x, const at::Tensor& text_embeddings) const;

  void visit_slots(const std::string& path, const SlotVisitor& visitor);

 private:
  GroupNorm norm_;
  ProjectionSlot proj_in_, proj_out_;
  std::vector<TransformerBlock> blocks_;
};

}  // namespace sdlora::model
