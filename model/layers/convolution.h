// A frozen 2-D convolution. Its backward needs only the weight, so nothing of the activations is kept for it.
#pragma once

#include <memory>

#include "model/kernels/convolution_kernel.h"
#include "model/layers/linear.h"
#include "model/loading/weight_source.h"

namespace sdlora::model {

struct Convolution {
  at::Tensor weight;  // [out, in, k, k], channels last on a GPU; undefined where a kernel of ours computes,
                      // unless ComputeMode keeps it
  at::Tensor bias;    // [out]
  int64_t in_channels = 0;
  int64_t kernel_size = 0;
  int64_t stride = 1;
  int64_t padding = 0;

  Convolution() = default;
  Convolution(const WeightSource& weights, int64_t in, int64_t out, int64_t kernel_cells,
              int64_t stride_cells = 1, int64_t padding_cells = 0);

  bool is_defined() const { return bias.defined(); }

  // [B, in, h, w] → [B, out, h', w'], channels last where a kernel of ours or a GPU computes
  at::Tensor forward(const at::Tensor& x) const;

  // The two of which forward() makes a node of the graph.
  at::Tensor compute(const at::Tensor& x) const;
  at::Tensor input_gradient(const at::Tensor& dy, at::IntArrayRef input_shape) const;

 private:
  std::shared_ptr<kernels::ConvolutionKernel> kernel_;  // where ComputeMode asks for it; else ATen computes
};

}  // namespace sdlora::model
