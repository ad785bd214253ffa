#include "model/vae/vae_blocks.h"

#include "model/layers/attention.h"
#include "model/vae/vae.h"

namespace sdlora::model {

VaeAttention::VaeAttention(const WeightSource& weights, int64_t channels, int64_t norm_group_count)
    : norm_(weights.at("group_norm"), channels, norm_group_count, kVaeNormEps),
      query_(weights.at("to_q"), channels, channels),
      key_(weights.at("to_k"), channels, channels),
      value_(weights.at("to_v"), channels, channels),
      out_(weights.at("to_out.0"), channels, channels) {}

at::Tensor VaeAttention::forward(const at::Tensor& x) const {
  const at::Tensor tokens = norm_.forward(x).flatten(2).transpose(1, 2);  // [B, N, C]
  const at::Tensor attended = scaled_dot_product_attention(query_.forward(tokens), key_.forward(tokens),
                                                           value_.forward(tokens), /*head_count=*/1);
  return x + out_.forward(attended).transpose(1, 2).reshape(x.sizes());
}

VaeMidBlock::VaeMidBlock(const WeightSource& weights, int64_t channels, const VaeConfig& config)
    : resnet1_(weights.at("resnets").at(0), channels, channels, config.norm_group_count),
      resnet2_(weights.at("resnets").at(1), channels, channels, config.norm_group_count) {
  if (config.has_mid_attention)
    attention_.emplace(weights.at("attentions").at(0), channels, config.norm_group_count);
}

at::Tensor VaeMidBlock::forward(const at::Tensor& x) const {
  at::Tensor hidden = resnet1_.forward(x);
  if (attention_) hidden = attention_->forward(hidden);
  return resnet2_.forward(hidden);
}

VaeEncoder::VaeEncoder(const WeightSource& weights, const VaeConfig& config)
    : conv_in_(weights.at("conv_in"), config.in_channels, config.block_out_channels.front(), 3, 1,
               /*padding_cells=*/1),
      mid_block_(weights.at("mid_block"), config.block_out_channels.back(), config),
      norm_out_(weights.at("conv_norm_out"), config.block_out_channels.back(), config.norm_group_count,
                kVaeNormEps),
      conv_out_(weights.at("conv_out"), config.block_out_channels.back(), 2 * config.latent_channels, 3, 1,
                /*padding_cells=*/1) {
  int64_t in_channels = config.block_out_channels.front();
  const size_t level_count = config.block_out_channels.size();
  for (size_t i = 0; i < level_count; ++i) {
    const WeightSource place = weights.at("down_blocks").at(static_cast<int64_t>(i));
    const int64_t channels = config.block_out_channels[i];
    Level level;
    for (int64_t j = 0; j < config.layers_per_block; ++j) {
      level.resnets.emplace_back(place.at("resnets").at(j), in_channels, channels, config.norm_group_count);
      in_channels = channels;
    }
    if (i + 1 < level_count)
      level.downsampler.emplace(place.at("downsamplers").at(0), channels, /*padding_cells=*/0);
    levels_.push_back(std::move(level));
  }
}

at::Tensor VaeEncoder::forward(const at::Tensor& pixels) const {
  at::Tensor x = conv_in_.forward(pixels);
  for (const Level& level : levels_) {
    for (const VaeResnet& resnet : level.resnets) x = resnet.forward(x);
    if (level.downsampler) x = level.downsampler->forward(x);
  }
  return convolve_normalized(norm_out_, conv_out_, mid_block_.forward(x));
}

VaeDecoder::VaeDecoder(const WeightSource& weights, const VaeConfig& config)
    : conv_in_(weights.at("conv_in"), config.latent_channels, config.block_out_channels.back(), 3, 1,
               /*padding_cells=*/1),
      mid_block_(weights.at("mid_block"), config.block_out_channels.back(), config),
      norm_out_(weights.at("conv_norm_out"), config.block_out_channels.front(), config.norm_group_count,
                kVaeNormEps),
      conv_out_(weights.at("conv_out"), config.block_out_channels.front(), config.out_channels, 3, 1,
                /*padding_cells=*/1) {
  int64_t in_channels = config.block_out_channels.back();
  const size_t level_count = config.block_out_channels.size();
  for (size_t i = 0; i < level_count; ++i) {
    const WeightSource place = weights.at("up_blocks").at(static_cast<int64_t>(i));
    const int64_t channels = config.block_out_channels[level_count - 1 - i];
    Level level;
    for (int64_t j = 0; j < config.layers_per_block + 1; ++j) {
      level.resnets.emplace_back(place.at("resnets").at(j), in_channels, channels, config.norm_group_count);
      in_channels = channels;
    }
    if (i + 1 < level_count) level.upsampler.emplace(place.at("upsamplers").at(0), channels);
    levels_.push_back(std::move(level));
  }
}

at::Tensor VaeDecoder::forward(const at::Tensor& latents) const {
  at::Tensor x = mid_block_.forward(conv_in_.forward(latents));
  for (const Level& level : levels_) {
    for (const VaeResnet& resnet : level.resnets) x = resnet.forward(x);
    if (level.upsampler) x = level.upsampler->forward(x);
  }
  return convolve_normalized(norm_out_, conv_out_, x);
}

}  // namespace sdlora::model
