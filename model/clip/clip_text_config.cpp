#include "model/clip/clip_text_config.h"

namespace sdlora::model {
namespace {

constexpr int64_t kMostTextLayers = 1'000;  // CLIP's have 12 to 32

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
  for (const auto& [key, count] : {std::pair{"vocab_size", clip.vocabulary_size},
                                   {"hidden_size", clip.hidden_size},
                                   {"intermediate_size", clip.intermediate_size},
                                   {"max_position_embeddings", clip.max_positions}})
    if (count < 1) config.refuse(key, "a positive number");
  if (clip.layer_count < 1 || clip.layer_count > kMostTextLayers)
    config.refuse("num_hidden_layers", "1 to " + std::to_string(kMostTextLayers));
  if (clip.head_count < 1 || clip.hidden_size % clip.head_count != 0)
    config.refuse("num_attention_heads", "a divisor of hidden_size");
  return clip;
}

}  // namespace sdlora::model
