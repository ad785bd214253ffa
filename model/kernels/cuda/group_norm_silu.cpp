#include "model/kernels/cuda/group_norm_silu.h"

#include <limits>

#include <ATen/ATen.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include "model/kernels/cuda/group_norm_launch.h"
#include "model/kernels/cuda/tensor_type.h"
#include "model/kernels/hand_written_backward.h"

namespace sdlora::model::kernels::cuda {
namespace {

GroupNormShape shape_of(const at::Tensor& x, int64_t group_count) {
  return {.batch = static_cast<int>(x.size(0)),
          .rows = static_cast<int>(x.size(2) * x.size(3)),
          .channels = static_cast<int>(x.size(1)),
          .groups = static_cast<int>(group_count)};
}

at::Tensor scratch(const GroupNormShape& shape, const at::Tensor& like) {
  return at::empty({group_norm_partial_count(shape)}, like.options().dtype(at::kFloat));
}

// What the forward leaves for the backward.
struct Normalized {
  at::Tensor x, weight, bias;
  int64_t group_count;
  bool then_silu;
  at::Tensor mean, rstd;  // [B, groups] f32
};

at::Tensor input_gradient(const Normalized& saved, const at::Tensor& output_gradient) {
  const c10::cuda::CUDAGuard guard(saved.x.device());
  const GroupNormShape shape = shape_of(saved.x, saved.group_count);
  const at::Tensor dy = output_gradient.contiguous(at::MemoryFormat::ChannelsLast);
  at::Tensor dx = at::empty_like(saved.x);
  const at::Tensor sums = at::empty({2, shape.batch, shape.groups}, saved.mean.options());
  const at::Tensor partial = scratch(shape, saved.x);
  C10_CUDA_CHECK(launch(GroupNormBackward{.shape = shape,
                                          .type = element_type_of(saved.x),
                                          .then_silu = saved.then_silu,
                                          .x = saved.x.const_data_ptr(),
                                          .weight = saved.weight.const_data_ptr(),
                                          .bias = saved.bias.const_data_ptr(),
                                          .mean = saved.mean.const_data_ptr<float>(),
                                          .rstd = saved.rstd.const_data_ptr<float>(),
                                          .dy = dy.const_data_ptr(),
                                          .dx = dx.mutable_data_ptr(),
                                          .sums = sums.mutable_data_ptr<float>(),
                                          .partial = partial.mutable_data_ptr<float>()},
                        c10::cuda::getCurrentCUDAStream()));
  return dx;
}

}  // namespace

bool takes_group_norm(const at::Tensor& x, const at::Tensor& weight) {
  constexpr int64_t kLargestInt = std::numeric_limits<int>::max();
  if (!x.is_cuda() || x.dim() != 4 || x.numel() == 0 || !has_element_type(x)) return false;
  if (!x.is_contiguous(at::MemoryFormat::ChannelsLast) || weight.scalar_type() != x.scalar_type())
    return false;
  return x.size(0) * x.size(1) <= kLargestInt && x.size(2) * x.size(3) <= kLargestInt &&
         group_norm_fits(shape_of(x, /*group_count=*/1));
}

at::Tensor group_norm_silu(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                           int64_t group_count, double eps, bool then_silu) {
  TORCH_CHECK(takes_group_norm(x, weight) && x.size(1) % group_count == 0 && weight.is_contiguous() &&
                  bias.is_contiguous() && bias.scalar_type() == x.scalar_type(),
              "not a group normalisation for these kernels");
  const c10::cuda::CUDAGuard guard(x.device());
  const GroupNormShape shape = shape_of(x, group_count);
  at::Tensor y = at::empty_like(x);
  const auto statistics = x.options().dtype(at::kFloat);
  const Normalized saved{.x = x.detach(),
                         .weight = weight,
                         .bias = bias,
                         .group_count = group_count,
                         .then_silu = then_silu,
                         .mean = at::empty({shape.batch, shape.groups}, statistics),
                         .rstd = at::empty({shape.batch, shape.groups}, statistics)};
  const at::Tensor partial = scratch(shape, x);
  C10_CUDA_CHECK(launch(GroupNormForward{.shape = shape,
                                         .type = element_type_of(x),
                                         .then_silu = then_silu,
                                         .eps = static_cast<float>(eps),
                                         .x = x.const_data_ptr(),
                                         .weight = weight.const_data_ptr(),
                                         .bias = bias.const_data_ptr(),
                                         .y = y.mutable_data_ptr(),
                                         .mean = saved.mean.mutable_data_ptr<float>(),
                                         .rstd = saved.rstd.mutable_data_ptr<float>(),
                                         .partial = partial.mutable_data_ptr<float>()},
                        c10::cuda::getCurrentCUDAStream()));
  if (!wants_backward({x})) return y;
  return with_backward(y, {x}, [saved](const at::Tensor& dy) -> std::vector<at::Tensor> {
    return {input_gradient(saved, dy)};
  });
}

}  // namespace sdlora::model::kernels::cuda
