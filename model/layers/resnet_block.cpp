#include "model/layers/resnet_block.h"

#include <utility>

namespace sdlora::model {

ResnetBlock::ResnetBlock(const WeightSource& weights, const ResnetShape& shape)
    : norm1_(weights.at("norm1"), shape.in_channels, shape.norm_group_count, shape.norm_eps),
      norm2_(weights.at("norm2"), shape.out_channels, shape.norm_group_count, shape.norm_eps),
      conv1_(make_convolution(weights.at("conv1"), shape.in_channels, shape.out_channels, 3,
                              /*stride_cells=*/1,
                              /*padding_cells=*/1)),
      conv2_(make_convolution(weights.at("conv2"), shape.out_channels, shape.out_channels, 3,
                              /*stride_cells=*/1,
                              /*padding_cells=*/1)),
      time_proj_(make_projection(weights.at("time_emb_proj"), shape.time_channels, shape.out_channels)) {
  if (shape.in_channels != shape.out_channels)
    shortcut_ = make_convolution(weights.at("conv_shortcut"), shape.in_channels, shape.out_channels, 1);
}

at::Tensor ResnetBlock::forward(const at::Tensor& x, const at::Tensor& time) const {
  Normalized normalized = norm1_.forward_then_silu_beside(x);
  at::Tensor hidden = conv1_->forward(std::exchange(normalized.output, {}));  // whose memory is wanted again
  hidden = conv2_->forward(norm2_.forward_then_silu(hidden, /*added=*/time_proj_->forward(time)));
  return (shortcut_ ? shortcut_->forward(normalized.input) : normalized.input) + hidden;
}

void ResnetBlock::visit_slots(const std::string& path, const SlotVisitor& visitor) {
  visitor.convolution(path + ".conv1", conv1_);
  visitor.projection(path + ".time_emb_proj", time_proj_);
  visitor.convolution(path + ".conv2", conv2_);
  if (shortcut_) visitor.convolution(path + ".conv_shortcut", shortcut_);
}

Downsampler::Downsampler(const WeightSource& weights, int64_t channels, int64_t padding_cells)
    : pads_right_and_bottom_(padding_cells == 0),
      conv_(make_convolution(weights.at("conv"), channels, channels, 3, /*stride_cells=*/2, padding_cells)) {}

at::Tensor Downsampler::forward(const at::Tensor& x) const {
  return conv_->forward(pads_right_and_bottom_ ? at::constant_pad_nd(x, {0, 1, 0, 1}) : x);
}

void Downsampler::visit_slots(const std::string& path, const SlotVisitor& visitor) {
  visitor.convolution(path + ".conv", conv_);
}

Upsampler::Upsampler(const WeightSource& weights, int64_t channels)
    : conv_(make_convolution(weights.at("conv"), channels, channels, 3, /*stride_cells=*/1,
                             /*padding_cells=*/1)) {}

at::Tensor Upsampler::forward(const at::Tensor& x, int64_t height, int64_t width) const {
  return conv_->forward(at::upsample_nearest2d(x, {height, width}));
}

void Upsampler::visit_slots(const std::string& path, const SlotVisitor& visitor) {
  visitor.convolution(path + ".conv", conv_);
}

}  // namespace sdlora::model
