#include "model/clip/clip_text_encoder.h"

#include "model/layers/attention.h"

namespace sdlora::model {
namespace {

// Hendrycks and Gimpel 2016, the sigmoid approximation that OpenAI's CLIP was trained with.
at::Tensor quick_gelu(const at::Tensor& x) {
  return x * at::sigmoid(1.702 * x);
}

}  // namespace

ClipTextEncoder::ClipTextEncoder(const ClipTextConfig& config, const WeightSource& weights)
    : config_(config) {
  const int64_t hidden = config.hidden_size;
  token_embedding_ = weights.tensor("embeddings.token_embedding.weight", {config.vocabulary_size, hidden});
  position_embedding_ =
      weights.tensor("embeddings.position_embedding.weight", {config.max_positions, hidden});
  for (int64_t i = 0; i < config.layer_count; ++i) {
    const WeightSource place = weights.at("encoder.layers").at(i);
    const WeightSource attention = place.at("self_attn");
    layers_.push_back({.norm1 = LayerNorm(place.at("layer_norm1"), hidden, config.layer_norm_eps),
                       .norm2 = LayerNorm(place.at("layer_norm2"), hidden, config.layer_norm_eps),
                       .query = make_projection(attention.at("q_proj"), hidden, hidden),
                       .key = make_projection(attention.at("k_proj"), hidden, hidden),
                       .value = make_projection(attention.at("v_proj"), hidden, hidden),
                       .out = make_projection(attention.at("out_proj"), hidden, hidden),
                       .fc1 = make_projection(place.at("mlp.fc1"), hidden, config.intermediate_size),
                       .fc2 = make_projection(place.at("mlp.fc2"), config.intermediate_size, hidden)});
  }
  final_norm_ = LayerNorm(weights.at("final_layer_norm"), hidden, config.layer_norm_eps);
}

at::Tensor ClipTextEncoder::attend(const Layer& layer, const at::Tensor& hidden) const {
  return layer.out->forward(scaled_dot_product_attention(layer.query->forward(hidden),
                                                         layer.key->forward(hidden),
                                                         layer.value->forward(hidden), config_.head_count,
                                                         /*is_causal=*/true));
}

void ClipTextEncoder::visit_slots(const SlotVisitor& visitor) {
  for (size_t i = 0; i < layers_.size(); ++i) {
    const std::string path = "text_model.encoder.layers." + std::to_string(i);
    visitor.projection(path + ".self_attn.k_proj", layers_[i].key);
    visitor.projection(path + ".self_attn.v_proj", layers_[i].value);
    visitor.projection(path + ".self_attn.q_proj", layers_[i].query);
    visitor.projection(path + ".self_attn.out_proj", layers_[i].out);
    visitor.projection(path + ".mlp.fc1", layers_[i].fc1);
    visitor.projection(path + ".mlp.fc2", layers_[i].fc2);
  }
}

at::Tensor ClipTextEncoder::encode(const at::Tensor& ids, int64_t layers_left_out) const {
  at::Tensor hidden = at::embedding(token_embedding_, ids) + position_embedding_.slice(0, 0, ids.size(1));
  for (size_t i = 0; i + static_cast<size_t>(layers_left_out) < layers_.size(); ++i) {
    const Layer& layer = layers_[i];
    hidden = hidden + attend(layer, layer.norm1.forward(hidden));
    const at::Tensor expanded = layer.fc1->forward(layer.norm2.forward(hidden));
    hidden =
        hidden + layer.fc2->forward(config_.activation == "gelu" ? at::gelu(expanded) : quick_gelu(expanded));
  }
  return final_norm_.forward(hidden);
}

}  // namespace sdlora::model
