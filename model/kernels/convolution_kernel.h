// How a frozen convolution is computed on the CPU: in fp32 or bfloat16, activations channels last, the weight
// brought once into the form that the kernel wants.
#pragma once

#include <memory>

#include <ATen/core/Tensor.h>

#include "model/kernels/prepared_weights.h"

namespace sdlora::model::kernels {

// Prepares the weight when it is first used. For use by any number of threads.
class ConvolutionKernel {
 public:
  virtual ~ConvolutionKernel() = default;

  // x [B, in, h, w] → [B, out, h', w']
  virtual at::Tensor forward(const at::Tensor& x) = 0;

  // dy [B, out, h', w'] → dx, of shape input_shape [B, in, h, w]
  virtual at::Tensor input_gradient(const at::Tensor& dy, at::IntArrayRef input_shape) = 0;
};

// The fastest for weight [out, in, k, k] and bias [out]: Winograd's for most 3×3 ones, a product for 1×1,
// else oneDNN's. What can be shared of it goes into `prepared`, if there is one.
std::shared_ptr<ConvolutionKernel> make_convolution_kernel(const at::Tensor& weight, const at::Tensor& bias,
                                                           int64_t stride, int64_t padding, bool by_onednn,
                                                           PreparedWeights* prepared = nullptr);

}  // namespace sdlora::model::kernels
