#include "model/layers/normalization.h"

#include "model/kernels/cuda/group_norm_silu.h"
#include "model/kernels/group_norm.h"
#include "model/kernels/layer_norm.h"

namespace sdlora::model {

LayerNorm::LayerNorm(const WeightSource& weights, int64_t channels, double epsilon)
    : weight(weights.tensor("weight", {channels})),
      bias(weights.tensor("bias", {channels})),
      eps(epsilon),
      is_fused(weights.mode().cpu_kernels.fuses_elementwise) {}

Normalized LayerNorm::forward_beside(const at::Tensor& x, const at::Tensor& added) const {
  if (is_fused) return kernels::layer_norm(x, added, weight, bias, eps);
  const at::Tensor sum = added.defined() ? x + added : x;
  return {sum, at::layer_norm(sum, {weight.size(0)}, weight, bias, eps)};
}

GroupNorm::GroupNorm(const WeightSource& weights, int64_t channels, int64_t groups, double epsilon)
    : weight(weights.tensor("weight", {channels})),
      bias(weights.tensor("bias", {channels})),
      group_count(groups),
      eps(epsilon),
      is_fused(weights.mode().cpu_kernels.fuses_elementwise) {}

Normalized GroupNorm::normalize(const at::Tensor& x, const at::Tensor& added, bool then_silu) const {
  if (is_fused) {
    const at::Tensor of_each_sample = added.defined() ? added.expand({x.size(0), x.size(1)}) : added;
    return kernels::group_norm(x, of_each_sample, {weight, bias, group_count, eps, then_silu});
  }
  return {x, by_aten_or_gpu(added.defined() ? x + added.unsqueeze(-1).unsqueeze(-1) : x, then_silu)};
}

at::Tensor GroupNorm::by_aten_or_gpu(const at::Tensor& x, bool then_silu) const {
  if (kernels::cuda::takes_group_norm(x, weight))
    return kernels::cuda::group_norm_silu(x, weight, bias, group_count, eps, then_silu);
  const at::Tensor normalized = at::group_norm(x, group_count, weight, bias, eps);
  return then_silu ? at::silu(normalized) : normalized;
}

}  // namespace sdlora::model
