// 3×3 convolutions with stride 1 and padding 1 as one product of the weight and the patches around all cells.
// On small maps reading the weight takes the time, and this reads it as it is, where Winograd's is 16/9 of
// it.
#pragma once

#include "model/kernels/convolution_kernel.h"

namespace sdlora::model::kernels {

// Products are oneDNN's: ATen's (MKL) take a tenth to a half longer on so few columns.
class PatchConvolution final : public ConvolutionKernel {
 public:
  // weight [out, in, 3, 3], bias [out]; activations are of their type, fp32 or bfloat16. A weight that is no
  // view of a mapped file, which processes share anyway, goes into `prepared`, if there is one.
  PatchConvolution(const at::Tensor& weight, const at::Tensor& bias, PreparedWeights* prepared = nullptr);

  at::Tensor forward(const at::Tensor& x) override;
  at::Tensor input_gradient(const at::Tensor& dy, at::IntArrayRef input_shape) override;

 private:
  at::Tensor weight() const;  // [out, 9 in]

  int64_t out_, patch_;
  at::ScalarType dtype_;
  at::Tensor plain_;                        // [out, 9 in], where it stays what it is
  std::shared_ptr<PreparedWeight> copied_;  // or where it can be shared
  at::Tensor bias_;                         // [out, 1] f32
};

}  // namespace sdlora::model::kernels
