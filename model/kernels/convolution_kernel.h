// How a frozen convolution is computed on the CPU: in fp32 or bfloat16, activations channels last, the weight
// brought once into the form that the kernel wants.
#pragma once

#include <memory>

#include <ATen/core/Tensor.h>

#include "model/kernels/prepared_weights.h"
#include "model/kernels/small_map.h"

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

struct ConvolutionPlace {
  int64_t stride = 1;
  int64_t padding = 0;
  int64_t expected_cells = 0;  // of each sample's map, on which only the speed depends; 0: unknown
};

// The fastest for weight [out, in, k, k] and bias [out]: for most 3×3 ones Winograd's, or a product where the
// map is small; a product for 1×1, else oneDNN's. What can be shared of it goes into `prepared`, if there is
// one.
std::shared_ptr<ConvolutionKernel> make_convolution_kernel(const at::Tensor& weight, const at::Tensor& bias,
                                                           const ConvolutionPlace& place, bool by_onednn,
                                                           PreparedWeights* prepared = nullptr);

}  // namespace sdlora::model::kernels
