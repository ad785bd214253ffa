#include "model/unet/unet_config.h"

#include <fmt/format.h>

namespace sdlora::model {
namespace {

// Bounds for what a damaged file may ask for; Stable Diffusion's UNet has 4 levels of 2 layers.
constexpr int64_t kMostLevels = 16, kMostLayers = 1'000;
constexpr int64_t kFewestGuidanceChannels = 4;  // two frequencies, of which one is the least

std::string at_most(int64_t count) {
  return "at most " + std::to_string(count);
}

// Features of UNet2DConditionModel that Stable Diffusion 1.x and 2.x do not use.
void refuse_unknown_features(const ModelConfig& config) {
  for (const char* key :
       {"class_embed_type", "addition_embed_type", "encoder_hid_dim", "encoder_hid_dim_type",
        "num_class_embeds", "time_embedding_dim", "time_embedding_act_fn", "timestep_post_act",
        "cross_attention_norm", "reverse_transformer_layers_per_block", "num_attention_heads"})
    config.require(key, "null");
  for (const char* key : {"only_cross_attention", "dual_cross_attention", "class_embeddings_concat",
                          "resnet_skip_time_act", "mid_block_only_cross_attention"})
    config.require(key, "false");
  for (const char* key : {"downsample_padding", "mid_block_scale_factor", "resnet_out_scale_factor"})
    config.require(key, "1");
  for (const char* key : {"conv_in_kernel", "conv_out_kernel"}) config.require(key, "3");
  if (config.text("act_fn", "silu") != "swish") config.require("act_fn", "\"silu\"");  // two names of one
  config.require("resnet_time_scale_shift", "\"default\"");
  config.require("time_embedding_type", "\"positional\"");
  config.require("attention_type", "\"default\"");
}

bool has_attention(const ModelConfig& config, const std::string& key, const std::string& type,
                   const std::string& with, const std::string& without) {
  if (type != with && type != without) config.refuse(key, "a list of " + with + " and " + without);
  return type == with;
}

void check_divisible(const ModelConfig& config, const UNetConfig& unet) {
  for (const UNetConfig::Level& level : unet.levels) {
    if (level.channels < 1 || level.resnet_count < 1 || level.head_count < 1 || level.transformer_depth < 1)
      config.refuse("block_out_channels", "positive counts of channels, layers and heads on every level");
    if (level.resnet_count > kMostLayers) config.refuse("layers_per_block", at_most(kMostLayers));
    if (level.transformer_depth > kMostLayers)
      config.refuse("transformer_layers_per_block", at_most(kMostLayers));
    if (level.context_channels < 1) config.refuse("cross_attention_dim", "positive numbers");
    if (level.channels % unet.norm_group_count != 0)
      config.refuse("block_out_channels", "multiples of norm_num_groups on every level");
    if ((level.has_attention_down || level.has_attention_up) && level.channels % level.head_count != 0)
      config.refuse("attention_head_dim", "a number of heads that divides the level's channels");
  }
}

}  // namespace

UNetConfig UNetConfig::read(const ModelConfig& config) {
  refuse_unknown_features(config);
  const auto channels = config.integers("block_out_channels");
  const auto down_types = config.texts("down_block_types");
  const auto up_types = config.texts("up_block_types");
  const size_t count = channels.size();
  if (count > kMostLevels) config.refuse("block_out_channels", at_most(kMostLevels) + " levels");
  if (down_types.size() != count) config.refuse("down_block_types", "as many as block_out_channels");
  if (up_types.size() != count) config.refuse("up_block_types", "as many as block_out_channels");
  const auto resnet_counts = config.integers("layers_per_block", count, 2);
  const auto head_counts =
      config.integers("attention_head_dim", count, 8);  // misnamed by diffusers: heads, not widths
  const auto context_channels = config.integers("cross_attention_dim", count, 1280);
  const auto depths = config.integers("transformer_layers_per_block", count, 1);

  UNetConfig unet{.in_channels = config.integer("in_channels", 4),
                  .out_channels = config.integer("out_channels", 4),
                  .levels = {},
                  .norm_group_count = config.integer("norm_num_groups", 32),
                  .norm_eps = config.number("norm_eps", 1e-5),
                  .uses_linear_projection = config.boolean("use_linear_projection", false),
                  .flip_sin_to_cos = config.boolean("flip_sin_to_cos", true),
                  .freq_shift = config.number("freq_shift", 0),
                  .centers_input = config.boolean("center_input_sample", false),
                  .has_mid_block = !config.is_null("mid_block_type"),  // absent: as below
                  .guidance_channels = config.integer("time_cond_proj_dim", 0)};
  config.require("mid_block_type", "\"UNetMidBlock2DCrossAttn\"");
  if (config.has("time_cond_proj_dim") && unet.guidance_channels < kFewestGuidanceChannels)
    config.refuse("time_cond_proj_dim", fmt::format("{} or more", kFewestGuidanceChannels));
  if (unet.in_channels < 1 || unet.out_channels < 1) config.refuse("in_channels", "positive numbers");
  if (unet.norm_group_count < 1) config.refuse("norm_num_groups", "a positive number");
  for (size_t i = 0; i < count; ++i)
    unet.levels.push_back(
        {.channels = channels[i],
         .resnet_count = resnet_counts[i],
         .head_count = head_counts[i],
         .context_channels = context_channels[i],
         .transformer_depth = depths[i],
         .has_attention_down =
             has_attention(config, "down_block_types", down_types[i], "CrossAttnDownBlock2D", "DownBlock2D"),
         .has_attention_up = has_attention(config, "up_block_types", up_types[count - 1 - i],
                                           "CrossAttnUpBlock2D", "UpBlock2D")});
  check_divisible(config, unet);
  return unet;
}

}  // namespace sdlora::model
