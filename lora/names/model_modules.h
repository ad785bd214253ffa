// Every module with weights that Stable Diffusion's UNet and text encoder have, from their configs: what
// tensors of adapters can be for.
#pragma once

#include <string>
#include <vector>

#include "model/clip/clip_text_config.h"
#include "model/unet/unet_config.h"

namespace sdlora::lora {

enum class Network { kUnet, kTextEncoder };

struct ModelModule {
  Network network;
  std::string path;            // of diffusers or transformers, "text_model.encoder.layers.0.mlp.fc1"
  std::string ldm_path;        // in the names of CompVis' UNet; empty: of the text encoder
  std::vector<int64_t> shape;  // of its weight; empty: not known
};

// In the order of unet_modules.h, by which pickled lists of modules are counted through.
std::vector<ModelModule> modules_of(const model::UNetConfig& unet);

// In the order of transformers' named_modules, in which k_proj and v_proj stand before q_proj.
std::vector<ModelModule> modules_of(const model::ClipTextConfig& text);

// Stable Diffusion 1.x and 2.x as they are published.
model::UNetConfig standard_unet(bool is_sd2);
model::ClipTextConfig standard_text_encoder(bool is_sd2);

}  // namespace sdlora::lora
