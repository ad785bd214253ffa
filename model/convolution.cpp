#include "model/convolution.h"

#include <torch/csrc/autograd/custom_function.h>

namespace sdlora::model {
namespace {

// ATen's own node for convolution keeps the input for a weight gradient that a frozen layer never asks for.
struct FrozenConvolution : torch::autograd::Function<FrozenConvolution> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& weight, const at::Tensor& bias, int64_t stride,
                            int64_t padding) {
    context->save_for_backward({weight});
    context->saved_data["input_shape"] = x.sizes().vec();
    context->saved_data["stride"] = stride;
    context->saved_data["padding"] = padding;
    return at::conv2d(x, weight, bias, stride, padding);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list output_gradients) {
    const at::Tensor weight = context->get_saved_variables()[0];
    const at::Tensor& dy = output_gradients[0];
    // Only the shape of the input matters for its gradient.
    const at::Tensor input = dy.new_empty({1}).expand(context->saved_data["input_shape"].toIntVector());
    const int64_t stride = context->saved_data["stride"].toInt();
    const int64_t padding = context->saved_data["padding"].toInt();
    at::Tensor dx = std::get<0>(at::convolution_backward(
        dy, input, weight, /*bias_sizes=*/std::nullopt, {stride, stride}, {padding, padding},
        /*dilation=*/{1, 1},
        /*transposed=*/false, /*output_padding=*/{0, 0}, /*groups=*/1, /*output_mask=*/{true, false, false}));
    return {dx, {}, {}, {}, {}};
  }
};

}  // namespace

Convolution::Convolution(const WeightSource& weights, int64_t in, int64_t out, int64_t kernel_size,
                         int64_t stride_cells, int64_t padding_cells)
    : weight(weights.tensor("weight", {out, in, kernel_size, kernel_size})),
      bias(weights.tensor("bias", {out})),
      stride(stride_cells),
      padding(padding_cells) {}

at::Tensor Convolution::forward(const at::Tensor& x) const {
  if (x.requires_grad()) return FrozenConvolution::apply(x, weight, bias, stride, padding);
  return at::conv2d(x, weight, bias, stride, padding);
}

}  // namespace sdlora::model
