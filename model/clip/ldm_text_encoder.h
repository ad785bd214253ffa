// Text encoders as checkpoint files hold them: OpenAI's CLIP under the names of transformers (Stable
// Diffusion 1.x), and OpenCLIP's ViT-H under its own (2.x), of which Stable Diffusion uses all layers but
// the last ("penultimate", as the text encoder of every diffusers directory of 2.x has it).
#pragma once

#include <filesystem>

#include "model/loading/model_config.h"
#include "model/loading/stored_weights.h"

namespace sdlora::model {

// The config as transformers writes it, from canonical names and shapes. What weights do not tell: heads are
// 64 wide; quick_gelu where OpenAI trained, gelu where OpenCLIP did. Throws Error(kBadData) naming `file`.
enum class ClipTraining { kOpenAi, kOpenClip };
ModelConfig config_of_text_encoder(const StoredWeights& weights, ClipTraining training,
                                   const std::filesystem::path& file);

inline constexpr int64_t kWidthOfVitH = 1024;

// Of an OpenCLIP ViT-H that was converted to canonical names with all of its layers: without the last.
StoredWeights without_unused_layer(StoredWeights weights);

// From OpenCLIP's names without a prefix ("transformer.resblocks.0.attn.in_proj_weight") to canonical ones:
// in_proj, whose rows are those of query, key and value, becomes three weights; the last layer,
// text_projection and other left-overs go. What is unknown keeps its name.
StoredWeights canonical_open_clip(const StoredWeights& weights);

}  // namespace sdlora::model
