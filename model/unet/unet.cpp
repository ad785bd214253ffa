#include "model/unet/unet.h"

namespace sdlora::model {

UNet::UNet(const UNetConfig& config, const WeightSource& weights)
    : config_(config),
      conv_in_(make_convolution(weights.at("conv_in"), config.in_channels, config.levels.front().channels, 3,
                                1,
                                /*padding_cells=*/1)),
      time_embedding_(weights.at("time_embedding"), config),
      norm_out_(weights.at("conv_norm_out"), config.levels.front().channels, config.norm_group_count,
                config.norm_eps),
      conv_out_(make_convolution(weights.at("conv_out"), config.levels.front().channels, config.out_channels,
                                 3, 1,
                                 /*padding_cells=*/1)) {
  const size_t level_count = config.levels.size();
  if (config.has_mid_block) mid_block_.emplace(weights.at("mid_block").on_level(level_count - 1), config);
  for (size_t i = 0; i < level_count; ++i)
    down_blocks_.emplace_back(weights.at("down_blocks").at(static_cast<int64_t>(i)).on_level(i), config, i);
  for (size_t i = 0; i < level_count; ++i) {
    const size_t level = level_count - 1 - i;
    up_blocks_.emplace_back(weights.at("up_blocks").at(static_cast<int64_t>(i)).on_level(level), config,
                            level);
  }
}

at::Tensor UNet::forward(const at::Tensor& latents, const at::Tensor& timesteps,
                         const at::Tensor& text_embeddings, const at::Tensor& guidance) const {
  const UNetConditions conditions{
      .time = at::silu(time_embedding_.forward(timesteps, latents.scalar_type(), guidance)),
      .text_embeddings = text_embeddings};
  at::Tensor x = conv_in_->forward(config_.centers_input ? 2 * latents - 1 : latents);
  std::vector<at::Tensor> skips{x};
  for (const DownBlock& block : down_blocks_) x = block.forward(x, conditions, skips);
  if (mid_block_) x = mid_block_->forward(x, conditions);
  for (const UpBlock& block : up_blocks_) x = block.forward(x, conditions, skips);
  return conv_out_->forward(norm_out_.forward_then_silu(x));
}

void UNet::visit_slots(const SlotVisitor& visitor) {
  time_embedding_.visit_slots("time_embedding", visitor);
  for (size_t i = 0; i < down_blocks_.size(); ++i)
    down_blocks_[i].visit_slots("down_blocks." + std::to_string(i), visitor);
  for (size_t i = 0; i < up_blocks_.size(); ++i)
    up_blocks_[i].visit_slots("up_blocks." + std::to_string(i), visitor);
  if (mid_block_) mid_block_->visit_slots("mid_block", visitor);
  visitor.convolution("conv_in", conv_in_);
  visitor.convolution("conv_out", conv_out_);
}

}  // namespace sdlora::model
