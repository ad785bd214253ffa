#include "model/kernels/pointwise_convolution.h"

#include <ATen/ATen.h>

#include "model/kernels/matrix_product.h"

namespace sdlora::model::kernels {
namespace {

// [B, C, h, w] → [B h w, C], a view where channels are last
at::Tensor pixels_of(const at::Tensor& activation) {
  return activation.contiguous(at::MemoryFormat::ChannelsLast)
      .permute({0, 2, 3, 1})
      .reshape({-1, activation.size(1)});
}

// The other way: of so many pixels as `like` has, channels last
at::Tensor activation_of(const at::Tensor& pixels, const at::Tensor& like) {
  return pixels.view({like.size(0), like.size(2), like.size(3), pixels.size(1)}).permute({0, 3, 1, 2});
}

}  // namespace

PointwiseConvolution::PointwiseConvolution(const at::Tensor& weight, at::Tensor bias, bool by_onednn)
    : weight_(weight.reshape({weight.size(0), weight.size(1)})),
      bias_(std::move(bias)),
      by_onednn_(by_onednn) {}

at::Tensor PointwiseConvolution::forward(const at::Tensor& x) {
  return activation_of(matrix_product(pixels_of(x), weight_.t(), bias_, by_onednn_), x);
}

at::Tensor PointwiseConvolution::input_gradient(const at::Tensor& dy, at::IntArrayRef /*input_shape*/) {
  return activation_of(matrix_product(pixels_of(dy), weight_, /*bias=*/{}, by_onednn_), dy);
}

}  // namespace sdlora::model::kernels
