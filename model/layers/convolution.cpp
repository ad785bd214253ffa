#include "model/layers/convolution.h"

#include "model/kernels/hand_written_backward.h"

namespace sdlora::model {
namespace {

// Only the shape of the input matters for its gradient. On a GPU its layout, too: cuDNN gives the gradient
// the same. Nothing is written to that memory, which is free again as soon as the gradient is queued.
at::Tensor shape_of_input(const at::Tensor& dy, at::IntArrayRef shape) {
  if (dy.is_cuda()) return at::empty(shape, dy.options(), at::MemoryFormat::ChannelsLast);
  return dy.new_empty({1}).expand(shape);
}

}  // namespace

Convolution::Convolution(const WeightSource& weights, int64_t in, int64_t out, int64_t kernel_cells,
                         int64_t stride_cells, int64_t padding_cells)
    : weight(weights.tensor("weight", {out, in, kernel_cells, kernel_cells})),
      bias(weights.tensor("bias", {out})),
      in_channels(in),
      kernel_size(kernel_cells),
      stride(stride_cells),
      padding(padding_cells) {
  // On a GPU the layout of the weights decides that of all activations: cuDNN computes channels last where
  // they are, and nothing between two convolutions changes it.
  if (weights.mode().device.is_cuda() && weight.defined())
    weight = weight.contiguous(at::MemoryFormat::ChannelsLast);
  const kernels::CpuKernels& chosen = weights.mode().cpu_kernels;
  if (!chosen.packs_convolutions || !weight.defined() || !bias.defined()) return;
  kernel_ = kernels::make_convolution_kernel(
      weight, bias, {.stride = stride, .padding = padding, .expected_cells = weights.expected_map().cells()},
      chosen.multiplies_by_onednn, weights.mode().prepared_weights.get());
  const auto& keeps_weight = weights.mode().keeps_weight;
  if (!keeps_weight || !keeps_weight(weights.path()))
    weight.reset();  // the kernel has it as long as it needs it
}

// ATen's own node keeps the input for a weight gradient that a frozen layer never asks for.
at::Tensor Convolution::forward(const at::Tensor& x) const {
  at::Tensor y = compute(x.detach());
  if (!kernels::wants_backward({x})) return y;
  return kernels::with_backward(
      y, {x},
      [layer = *this, input_shape = x.sizes().vec()](const at::Tensor& dy) -> std::vector<at::Tensor> {
        return {layer.input_gradient(dy, input_shape)};
      });
}

at::Tensor Convolution::compute(const at::Tensor& x) const {
  return kernel_ ? kernel_->forward(x) : at::conv2d(x, weight, bias, stride, padding);
}

at::Tensor Convolution::input_gradient(const at::Tensor& dy, at::IntArrayRef input_shape) const {
  if (kernel_) return kernel_->input_gradient(dy, input_shape);
  const at::Tensor input = shape_of_input(dy, input_shape);
  return std::get<0>(at::convolution_backward(
      dy, input, weight, /*bias_sizes=*/std::nullopt, {stride, stride}, {padding, padding},
      /*dilation=*/{1, 1},
      /*transposed=*/false, /*output_padding=*/{0, 0}, /*groups=*/1, /*output_mask=*/{true, false, false}));
}

}  // namespace sdlora::model
