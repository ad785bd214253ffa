// A frozen convolution by oneDNN, its weight packed once for each direction. ATen packs the weight on every
// call, which at 8×8 cells takes several times as long as the convolution.
#pragma once

#include "model/kernels/convolution_kernel.h"

namespace sdlora::model::kernels {

class PackedConvolution final : public ConvolutionKernel {
 public:
  // weight [out, in, k, k], bias [out]; activations are of their type, fp32 or bfloat16
  PackedConvolution(const at::Tensor& weight, at::Tensor bias, int64_t stride, int64_t padding);
  ~PackedConvolution() override;

  at::Tensor forward(const at::Tensor& x) override;
  at::Tensor input_gradient(const at::Tensor& dy, at::IntArrayRef input_shape) override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sdlora::model::kernels
