#include "model/layers/normalization.h"

#include "model/kernels/cuda/group_norm_silu.h"

namespace sdlora::model {

at::Tensor GroupNorm::forward(const at::Tensor& x) const {
  if (kernels::cuda::takes_group_norm(x, weight))
    return kernels::cuda::group_norm_silu(x, weight, bias, group_count, eps, /*then_silu=*/false);
  return at::group_norm(x, group_count, weight, bias, eps);
}

at::Tensor GroupNorm::forward_then_silu(const at::Tensor& x) const {
  if (kernels::cuda::takes_group_norm(x, weight))
    return kernels::cuda::group_norm_silu(x, weight, bias, group_count, eps, /*then_silu=*/true);
  return at::silu(forward(x));
}

}  // namespace sdlora::model
