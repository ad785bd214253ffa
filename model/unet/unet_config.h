// The shape of a UNet, from diffusers' unet/config.json (UNet2DConditionModel).
#pragma once

#include <vector>

#include "model/loading/model_config.h"

namespace sdlora::model {

struct UNetConfig {
  // One level of resolution; level 0 is the finest.
  struct Level {
    int64_t channels;
    int64_t resnet_count;  // on the way down; one more on the way up
    int64_t head_count;
    int64_t context_channels;   // width of a caption token
    int64_t transformer_depth;  // blocks in each transformer
    bool has_attention_down;
    bool has_attention_up;
  };

  int64_t in_channels;
  int64_t out_channels;
  std::vector<Level> levels;
  int64_t norm_group_count;
  double norm_eps;
  bool uses_linear_projection;
  bool flip_sin_to_cos;
  double freq_shift;
  bool centers_input;
  bool has_mid_block;
  // Width of an embedding of the guidance scale (guidance_embedding.h), which models have that were distilled
  // with guidance (LCM); 0: none.
  int64_t guidance_channels;

  // Throws Error(kBadData) naming the key for a feature this program does not have (class embeddings,
  // scale-shift norms …).
  static UNetConfig read(const ModelConfig& config);

  int64_t time_channels() const { return 4 * levels.front().channels; }
};

}  // namespace sdlora::model
