// A 1×1 convolution as what it is where channels are last: the product of a matrix of pixels and the weight.
// Nothing is packed, so that the weight stays the mapped one that the ranks of a host share.
#pragma once

#include "model/kernels/convolution_kernel.h"

namespace sdlora::model::kernels {

class PointwiseConvolution final : public ConvolutionKernel {
 public:
  // weight [out, in, 1, 1], bias [out]; stride 1, no padding
  PointwiseConvolution(const at::Tensor& weight, at::Tensor bias, bool by_onednn);

  at::Tensor forward(const at::Tensor& x) override;
  at::Tensor input_gradient(const at::Tensor& dy, at::IntArrayRef input_shape) override;

 private:
  at::Tensor weight_;  // [out, in]
  at::Tensor bias_;
  bool by_onednn_;
};

}  // namespace sdlora::model::kernels
