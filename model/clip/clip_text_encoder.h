// CLIP's text encoder (transformers CLIPTextModel; Radford et al. 2021): token ids to the last hidden state.
// Frozen; LoRA attaches through visit_slots.
#pragma once

#include <vector>

#include "model/clip/clip_text_config.h"
#include "model/layers/normalization.h"
#include "model/layers/slot_visitor.h"
#include "model/loading/weight_source.h"

namespace sdlora::model {

class ClipTextEncoder {
 public:
  ClipTextEncoder(const ClipTextConfig& config, const WeightSource& weights);

  // ids [B, L] i64 → last hidden state after the final layer norm [B, L, hidden]. `layers_left_out`: of the
  // last layers, before that norm.
  at::Tensor encode(const at::Tensor& ids, int64_t layers_left_out = 0) const;

  // Every layer that can take an adapter once, with its path of transformers' CLIPTextModel, in the order of
  // its named_modules.
  void visit_slots(const SlotVisitor& visitor);

  const ClipTextConfig& config() const { return config_; }

 private:
  struct Layer {
    LayerNorm norm1, norm2;
    ProjectionSlot query, key, value, out;  // self attention
    ProjectionSlot fc1, fc2;                // feed forward
  };

  at::Tensor attend(const Layer& layer, const at::Tensor& hidden) const;

  ClipTextConfig config_;
  at::Tensor token_embedding_;     // [vocabulary, hidden]
  at::Tensor position_embedding_;  // [positions, hidden]
  std::vector<Layer> layers_;
  LayerNorm final_norm_;
};

}  // namespace sdlora::model
