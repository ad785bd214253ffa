#include "model/unet/unet_blocks.h"

namespace sdlora::model {
namespace {

TransformerShape transformer_shape(const UNetConfig& config, size_t level) {
  const UNetConfig::Level& l = config.levels[level];
  return {.channels = l.channels,
          .context_channels = l.context_channels,
          .head_count = l.head_count,
          .layer_count = l.transformer_depth,
          .norm_group_count = config.norm_group_count,
          .uses_linear_projection = config.uses_linear_projection};
}

ResnetShape resnet_shape(const UNetConfig& config, int64_t in_channels, int64_t out_channels) {
  return {.in_channels = in_channels,
          .out_channels = out_channels,
          .time_channels = config.time_channels(),
          .norm_group_count = config.norm_group_count,
          .norm_eps = config.norm_eps};
}

void visit_all(std::vector<ResnetBlock>& resnets, std::vector<Transformer>& transformers,
               const std::string& path, const SlotVisitor& visitor) {
  for (size_t i = 0; i < transformers.size(); ++i)
    transformers[i].visit_slots(path + ".attentions." + std::to_string(i), visitor);
  for (size_t i = 0; i < resnets.size(); ++i)
    resnets[i].visit_slots(path + ".resnets." + std::to_string(i), visitor);
}

}  // namespace

DownBlock::DownBlock(const WeightSource& weights, const UNetConfig& config, size_t level) {
  const UNetConfig::Level& l = config.levels[level];
  int64_t in_channels = config.levels[level == 0 ? 0 : level - 1].channels;
  for (int64_t i = 0; i < l.resnet_count; ++i) {
    resnets_.emplace_back(weights.at("resnets").at(i), resnet_shape(config, in_channels, l.channels));
    if (l.has_attention_down)
      transformers_.emplace_back(weights.at("attentions").at(i), transformer_shape(config, level));
    in_channels = l.channels;
  }
  if (level + 1 < config.levels.size())
    downsampler_.emplace(weights.at("downsamplers").at(0), l.channels, /*padding_cells=*/1);
}

at::Tensor DownBlock::forward(at::Tensor x, const UNetConditions& conditions,
                              std::vector<at::Tensor>& skips) const {
  for (size_t i = 0; i < resnets_.size(); ++i) {
    x = resnets_[i].forward(x, conditions.time);
    if (!transformers_.empty()) x = transformers_[i].forward(x, conditions.text_embeddings);
    skips.push_back(x);
  }
  if (downsampler_) {
    x = downsampler_->forward(x);
    skips.push_back(x);
  }
  return x;
}

void DownBlock::visit_slots(const std::string& path, const SlotVisitor& visitor) {
  visit_all(resnets_, transformers_, path, visitor);
  if (downsampler_) downsampler_->visit_slots(path + ".downsamplers.0", visitor);
}

MidBlock::MidBlock(const WeightSource& weights, const UNetConfig& config)
    : resnet1_(weights.at("resnets").at(0),
               resnet_shape(config, config.levels.back().channels, config.levels.back().channels)),
      transformer_(weights.at("attentions").at(0), transformer_shape(config, config.levels.size() - 1)),
      resnet2_(weights.at("resnets").at(1),
               resnet_shape(config, config.levels.back().channels, config.levels.back().channels)) {}

at::Tensor MidBlock::forward(const at::Tensor& x, const UNetConditions& conditions) const {
  const at::Tensor hidden =
      transformer_.forward(resnet1_.forward(x, conditions.time), conditions.text_embeddings);
  return resnet2_.forward(hidden, conditions.time);
}

void MidBlock::visit_slots(const std::string& path, const SlotVisitor& visitor) {
  transformer_.visit_slots(path + ".attentions.0", visitor);
  resnet1_.visit_slots(path + ".resnets.0", visitor);
  resnet2_.visit_slots(path + ".resnets.1", visitor);
}

UpBlock::UpBlock(const WeightSource& weights, const UNetConfig& config, size_t level) {
  const UNetConfig::Level& l = config.levels[level];
  const bool is_coarsest = level + 1 == config.levels.size();
  const int64_t finer_channels = config.levels[level == 0 ? 0 : level - 1].channels;
  int64_t in_channels = is_coarsest ? l.channels : config.levels[level + 1].channels;
  const int64_t resnet_count = l.resnet_count + 1;
  for (int64_t i = 0; i < resnet_count; ++i) {
    const int64_t skip_channels = i + 1 == resnet_count ? finer_channels : l.channels;
    resnets_.emplace_back(weights.at("resnets").at(i),
                          resnet_shape(config, in_channels + skip_channels, l.channels));
    if (l.has_attention_up)
      transformers_.emplace_back(weights.at("attentions").at(i), transformer_shape(config, level));
    in_channels = l.channels;
  }
  if (level > 0) upsampler_.emplace(weights.at("upsamplers").at(0).on_level(level - 1), l.channels);
}

at::Tensor UpBlock::forward(at::Tensor x, const UNetConditions& conditions,
                            std::vector<at::Tensor>& skips) const {
  for (size_t i = 0; i < resnets_.size(); ++i) {
    x = resnets_[i].forward(at::cat({x, skips.back()}, 1), conditions.time);
    skips.pop_back();
    if (!transformers_.empty()) x = transformers_[i].forward(x, conditions.text_embeddings);
  }
  // The next level's skips say the size: twice this one, or one cell less where the way down rounded up.
  if (upsampler_) x = upsampler_->forward(x, skips.back().size(2), skips.back().size(3));
  return x;
}

void UpBlock::visit_slots(const std::string& path, const SlotVisitor& visitor) {
  visit_all(resnets_, transformers_, path, visitor);
  if (upsampler_) upsampler_->visit_slots(path + ".upsamplers.0", visitor);
}

}  // namespace sdlora::model
