#include "model/kernels/cuda/geglu.h"

#include <limits>

#include <ATen/ATen.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include "model/kernels/cuda/geglu_launch.h"
#include "model/kernels/cuda/tensor_type.h"
#include "model/kernels/hand_written_backward.h"

namespace sdlora::model::kernels::cuda {
namespace {

GegluShape shape_of(const at::Tensor& x) {
  return {.rows = x.numel() / x.size(-1), .channels = static_cast<int>(x.size(-1) / 2)};
}

at::Tensor input_gradient(const at::Tensor& x, const at::Tensor& output_gradient) {
  const c10::cuda::CUDAGuard guard(x.device());
  const at::Tensor dy = output_gradient.contiguous();
  at::Tensor dx = at::empty_like(x);
  C10_CUDA_CHECK(launch(GegluBackward{.shape = shape_of(x),
                                      .type = element_type_of(x),
                                      .x = x.const_data_ptr(),
                                      .dy = dy.const_data_ptr(),
                                      .dx = dx.mutable_data_ptr()},
                        c10::cuda::getCurrentCUDAStream()));
  return dx;
}

}  // namespace

bool takes_geglu(const at::Tensor& x) {
  return x.is_cuda() && x.dim() > 0 && x.numel() > 0 && x.is_contiguous() && has_element_type(x) &&
         x.size(-1) % 2 == 0 && x.size(-1) <= std::numeric_limits<int>::max() && geglu_fits(shape_of(x));
}

at::Tensor geglu(const at::Tensor& x) {
  TORCH_CHECK(takes_geglu(x), "not a GEGLU for these kernels");
  const c10::cuda::CUDAGuard guard(x.device());
  std::vector<int64_t> output_shape = x.sizes().vec();
  output_shape.back() /= 2;
  const at::Tensor input = x.detach();
  at::Tensor y = at::empty(output_shape, x.options());
  C10_CUDA_CHECK(launch(GegluForward{.shape = shape_of(x),
                                     .type = element_type_of(x),
                                     .x = input.const_data_ptr(),
                                     .y = y.mutable_data_ptr()},
                        c10::cuda::getCurrentCUDAStream()));
  if (!wants_backward({x})) return y;
  return with_backward(y, {x}, [input](const at::Tensor& dy) -> std::vector<at::Tensor> {
    return {input_gradient(input, dy)};
  });
}

}  // namespace sdlora::model::kernels::cuda
