#include "model/unet/transformer.h"

#include <utility>

#include "model/kernels/cuda/geglu.h"
#include "model/kernels/geglu.h"
#include "model/layers/recomputation.h"

namespace sdlora::model {
namespace {

constexpr double kLayerNormEps = 1e-5;
constexpr double kGroupNormEps = 1e-6;  // Transformer2DModel's own, whatever the UNet's norm_eps

}  // namespace

TransformerBlock::TransformerBlock(const WeightSource& weights, const TransformerShape& shape)
    : fuses_elementwise_(weights.mode().cpu_kernels.fuses_elementwise),
      is_recomputed_(weights.mode().recomputes_transformer_blocks),
      norm1_(weights.at("norm1"), shape.channels, kLayerNormEps),
      norm2_(weights.at("norm2"), shape.channels, kLayerNormEps),
      norm3_(weights.at("norm3"), shape.channels, kLayerNormEps),
      self_attention_(weights.at("attn1"), shape.channels, shape.channels, shape.head_count),
      cross_attention_(weights.at("attn2"), shape.channels, shape.context_channels, shape.head_count),
      ff_in_(make_projection(weights.at("ff.net.0.proj"), shape.channels, 8 * shape.channels)),
      ff_out_(make_projection(weights.at("ff.net.2"), 4 * shape.channels, shape.channels)) {}

at::Tensor TransformerBlock::forward(const at::Tensor& x, const at::Tensor& text_embeddings) const {
  if (!is_recomputed_) return compute(x, text_embeddings);
  return recomputed_in_backward({x, text_embeddings}, [this](at::ArrayRef<at::Tensor> inputs) {
    return compute(inputs[0], inputs[1]);
  });
}

at::Tensor TransformerBlock::compute(const at::Tensor& x, const at::Tensor& text_embeddings) const {
  // A node of its own, at which the gradients of keys and values meet before those of the blocks do: in the
  // same order whether the block is recomputed or not.
  const at::Tensor text = at::alias(text_embeddings);
  Normalized place = norm1_.forward_beside(x);
  place = norm2_.forward_beside(place.input, self_attention_.forward(place.output, place.output));
  place = norm3_.forward_beside(place.input, cross_attention_.forward(place.output, text));
  return place.input + feed_forward(place.output);
}

at::Tensor TransformerBlock::feed_forward(const at::Tensor& x) const {
  const at::Tensor value_and_gate = ff_in_->forward(x);  // [B, N, 8C]
  if (fuses_elementwise_) return ff_out_->forward(kernels::geglu(value_and_gate));
  if (kernels::cuda::takes_geglu(value_and_gate))
    return ff_out_->forward(kernels::cuda::geglu(value_and_gate));
  const auto halves = value_and_gate.chunk(2, -1);
  return ff_out_->forward(halves[0] * at::gelu(halves[1]));
}

void TransformerBlock::visit_slots(const std::string& path, const SlotVisitor& visitor) {
  self_attention_.visit_slots(path + ".attn1", visitor);
  cross_attention_.visit_slots(path + ".attn2", visitor);
  visitor.projection(path + ".ff.net.0.proj", ff_in_);
  visitor.projection(path + ".ff.net.2", ff_out_);
}

Transformer::Transformer(const WeightSource& weights, const TransformerShape& shape)
    : norm_(weights.at("norm"), shape.channels, shape.norm_group_count, kGroupNormEps),
      proj_in_(make_projection(weights.at("proj_in"), shape.channels, shape.channels, /*has_bias=*/true,
                               /*is_convolution=*/!shape.uses_linear_projection)),
      proj_out_(make_projection(weights.at("proj_out"), shape.channels, shape.channels, /*has_bias=*/true,
                                /*is_convolution=*/!shape.uses_linear_projection)) {
  for (int64_t i = 0; i < shape.layer_count; ++i)
    blocks_.emplace_back(weights.at("transformer_blocks").at(i), shape);
}

at::Tensor Transformer::forward(const at::Tensor& x, const at::Tensor& text_embeddings) const {
  const int64_t batch = x.size(0), channels = x.size(1), height = x.size(2), width = x.size(3);
  Normalized normalized = norm_.forward_beside(x);
  at::Tensor tokens = std::exchange(normalized.output, {}).flatten(2).transpose(1, 2);  // [B, N, C]
  tokens = proj_in_->forward(tokens);
  for (const TransformerBlock& block : blocks_) tokens = block.forward(tokens, text_embeddings);
  tokens = proj_out_->forward(tokens);
  return normalized.input +
         tokens.view({batch, height, width, channels}).permute({0, 3, 1, 2});  // channels last, as x is
}

void Transformer::visit_slots(const std::string& path, const SlotVisitor& visitor) {
  visitor.projection(path + ".proj_in", proj_in_);
  for (size_t i = 0; i < blocks_.size(); ++i)
    blocks_[i].visit_slots(path + ".transformer_blocks." + std::to_string(i), visitor);
  visitor.projection(path + ".proj_out", proj_out_);
}

}  // namespace sdlora::model
