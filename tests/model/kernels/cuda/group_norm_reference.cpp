#include "tests/model/kernels/cuda/group_norm_reference.h"

#include <ATen/ATen.h>

namespace sdlora::model::kernels::cuda {

at::Tensor GroupNormReference::by_group(const at::Tensor& values) const {
  return values.contiguous().view({x.size(0), group_count, -1});
}

at::Tensor GroupNormReference::group_mean(const at::Tensor& values) const {
  return by_group(values).mean(-1, /*keepdim=*/true);
}

at::Tensor GroupNormReference::per_channel(const at::Tensor& values) const {
  return values.view({1, -1, 1, 1});
}

at::Tensor GroupNormReference::rstd() const {
  return 1 / (((by_group(x) - group_mean(x)).square().mean(-1, /*keepdim=*/true)) + eps).sqrt();
}

at::Tensor GroupNormReference::x_hat() const {
  return ((by_group(x) - group_mean(x)) * rstd()).view(x.sizes());
}

at::Tensor GroupNormReference::h() const {
  return x_hat() * per_channel(weight) + per_channel(bias);
}

at::Tensor GroupNormReference::output() const {
  return then_silu ? h() / (1 + (-h()).exp()) : h();
}

at::Tensor GroupNormReference::input_gradient(const at::Tensor& dy) const {
  const at::Tensor s = 1 / (1 + (-h()).exp());
  const at::Tensor dh = then_silu ? dy * s * (1 + h() * (1 - s)) : dy;
  const at::Tensor g = dh * per_channel(weight);
  return (rstd() * (by_group(g) - group_mean(g) - by_group(x_hat()) * group_mean(g * x_hat())))
      .view(x.sizes());
}

}  // namespace sdlora::model::kernels::cuda
