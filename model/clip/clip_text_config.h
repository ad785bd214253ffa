// The shape of CLIP's text encoder, from transformers' text_encoder/config.json.
#pragma once

#include <string>

#include "model/loading/model_config.h"

namespace sdlora::model {

struct ClipTextConfig {
  int64_t vocabulary_size;
  int64_t hidden_size;
  int64_t intermediate_size;
  int64_t layer_count;
  int64_t head_count;
  int64_t max_positions;  // 77
  double layer_norm_eps;
  std::string activation;  // quick_gelu or gelu

  static ClipTextConfig read(const ModelConfig& file);
};

}  // namespace sdlora::model
