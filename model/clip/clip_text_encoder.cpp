#include "model/clip/clip_text_encoder.h"

#include "model/layers/attention.h"

namespace sdlora::model {
namespace {

// Hendrycks and Gimpel 2016, the sigmoid approximation that OpenAI's CLIP was trained with.
at::Tensor quick_gelu(const at::Tensor& x) {
  return x * at::sigmoid(1.702 * x);
}

}  // namespace

ClipTextConfig ClipTextConfig::read(const ModelConfig& config) {
  ClipTextConfig clip{.vocabulary_size = config.integer("vocab_size", 49408),
                      .hidden_size = config.integer("hidden_size", 512),
                      .intermediate_size = config.integer("intermediate_size", 2048),
                      .layer_count = config.integer("num_hidden_layers", 12),
                      .head_count = config.integer("num_attention_heads", 8),
                      .max_positions = config.integer("max_position_embeddings", 77),
                      .layer_norm_eps = config.number("layer_norm_eps", 1e-5),
                      .activation = config.text("hidden_act", "quick_gelu")};
  if (clip.activation != "quick_gelu" && clip.activation != "gelu")
    config.refuse("hidden_act", "\"quick_gelu\" or \"gelu\"");
  if (clip.head_count < 1 || clip.hidden_size % clip.head_count != 0)
    config.refuse("num_attention_heads", "a divisor of hidden_size");
  return clip;
}

ClipTextEncoder::ClipTextEncoder(const ClipTextConfig& config, const WeightSource& weights)
    : config_(config) {
  const int64_t hidden = config.hidden_size;
  // transformers 4 wrote the names under "text_model.", transformers 5 writes them without.
  const WeightSource root =
      weights.has("text_model.final_layer_norm.weight") ? weights.at("text_model") : weights;
  root.ignore("embeddings.position_ids");
  token_embedding_ = root.tensor("embeddings.token_embedding.weight", {config.vocabulary_size, hidden});
  position_embedding_ = root.tensor("embeddings.position_embedding.weight", {config.max_positions, hidden});
  for (int64_t i = 0; i < config.layer_count; ++i) {
    const WeightSource place = root.at("encoder.layers").at(i);
    const WeightSource attention = place.at("self_attn");
    layers_.push_back({.norm1 = LayerNorm(place.at("layer_norm1"), hidden, config.layer_norm_eps),
                       .norm2 = LayerNorm(place.at("layer_norm2"), hidden, config.layer_norm_eps),
                       .query = Linear(attention.at("q_proj"), hidden, hidden),
                       .key = Linear(attention.at("k_proj"), hidden, hidden),
                       .value = Linear(attention.at("v_proj"), hidden, hidden),
                       .out = Linear(attention.at("out_proj"), hidden, hidden),
                       .fc1 = Linear(place.at("mlp.fc1"), hidden, config.intermediate_size),
                       .fc2 = Linear(place.at("mlp.fc2"), config.intermediate_size, hidden)});
  }
  final_norm_ = LayerNorm(root.at("final_layer_norm"), hidden, config.layer_norm_eps);
}

at::Tensor ClipTextEncoder::attend(const Layer& layer, const at::Tensor& hidden) const {
  return layer.out.forward(scaled_dot_product_attention(
      layer.query.forward(hidden), layer.key.forward(hidden), layer.value.forward(hidden), config_.head_count,
      /*is_causal=*/true));
}

at::Tensor ClipTextEncoder::encode(const at::Tensor& ids) const {
  at::Tensor hidden = at::embedding(token_embedding_, ids) + position_embedding_.slice(0, 0, ids.size(1));
  for (const Layer& layer : layers_) {
    hidden = hidden + attend(layer, layer.norm1.forward(hidden));
    const at::Tensor expanded = layer.fc1.forward(layer.norm2.forward(hidden));
    hidden =
        hidden + layer.fc2.forward(config_.activation == "gelu" ? at::gelu(expanded) : quick_gelu(expanded));
  }
  return final_norm_.forward(hidden);
}

}  // namespace sdlora::model
