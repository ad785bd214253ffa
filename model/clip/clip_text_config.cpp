#include "model/clip/clip_text_config.h"

namespace sdlora::model {
namespace {

constexpr int64_t kMostTextLayers = 1'000;  // CLIP's have 12 to 32
constexpr int64_t kFewestPositions = 3;

}  // namespace

ClipTextConfig ClipTextConfig::read(const ModelConfig& file) {
  // The file of a whole CLIP has it as a part.
  const ModelConfig config =
      file.text("model_type", "") == "clip" ? file.section("text_config").value_or(file) : file;
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
  if (clip.max_positions < kFewestPositions)
    config.refuse("max_position_embeddings", "room for a start, a word and an end");
  if (clip.layer_count < 1 || clip.layer_count > kMostTextLayers)
    config.refuse("num_hidden_layers", "1 to " + std::to_string(kMostTextLayers));
  if (clip.head_count < 1 || clip.hidden_size % clip.head_count != 0)
    config.refuse("num_attention_heads", "a divisor of hidden_size");
  return clip;
}

}  // namespace sdlora::model
