#include "lora/names/model_modules.h"

#include <fmt/format.h>

#include "model/unet/unet_modules.h"

namespace sdlora::lora {

using model::UNetConfig;

std::vector<ModelModule> modules_of(const UNetConfig& unet) {
  std::vector<ModelModule> modules;
  for (model::UNetModule& module : model::unet_modules_of(unet))
    modules.push_back(
        {Network::kUnet, std::move(module.path), std::move(module.ldm_path), std::move(module.shape)});
  return modules;
}

std::vector<ModelModule> modules_of(const model::ClipTextConfig& text) {
  std::vector<ModelModule> modules;
  const auto add = [&](const std::string& path, std::vector<int64_t> shape) {
    modules.push_back({Network::kTextEncoder, "text_model." + path, "", std::move(shape)});
  };
  const int64_t hidden = text.hidden_size;
  add("embeddings.token_embedding", {text.vocabulary_size, hidden});
  add("embeddings.position_embedding", {text.max_positions, hidden});
  for (int64_t i = 0; i < text.layer_count; ++i) {
    const std::string layer = fmt::format("encoder.layers.{}.", i);
    for (const char* name : {"k_proj", "v_proj", "q_proj", "out_proj"})
      add(layer + "self_attn." + name, {hidden, hidden});
    add(layer + "layer_norm1", {hidden});
    add(layer + "mlp.fc1", {text.intermediate_size, hidden});
    add(layer + "mlp.fc2", {hidden, text.intermediate_size});
    add(layer + "layer_norm2", {hidden});
  }
  add("final_layer_norm", {hidden});
  return modules;
}

UNetConfig standard_unet(bool is_sd2) {
  UNetConfig unet{.in_channels = 4,
                  .out_channels = 4,
                  .levels = {},
                  .norm_group_count = 32,
                  .norm_eps = 1e-5,
                  .uses_linear_projection = is_sd2,
                  .flip_sin_to_cos = true,
                  .freq_shift = 0,
                  .centers_input = false,
                  .has_mid_block = true};
  for (const int64_t channels : {320, 640, 1280, 1280}) {
    const bool has_attention = unet.levels.size() < 3;
    unet.levels.push_back({.channels = channels,
                           .resnet_count = 2,
                           .head_count = is_sd2 ? channels / 64 : 8,
                           .context_channels = is_sd2 ? 1024 : 768,
                           .transformer_depth = 1,
                           .has_attention_down = has_attention,
                           .has_attention_up = has_attention});
  }
  return unet;
}

model::ClipTextConfig standard_text_encoder(bool is_sd2) {
  return {.vocabulary_size = 49408,
          .hidden_size = is_sd2 ? 1024 : 768,
          .intermediate_size = is_sd2 ? 4096 : 3072,
          .layer_count = is_sd2 ? 23 : 12,
          .head_count = is_sd2 ? 16 : 12,
          .max_positions = 77,
          .layer_norm_eps = 1e-5,
          .activation = is_sd2 ? "gelu" : "quick_gelu"};
}

}  // namespace sdlora::lora
