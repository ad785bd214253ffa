#include "lora/convolution_branch.h"

#include <ATen/ATen.h>

namespace sdlora::lora {
namespace {

at::Tensor kernel_of_a(const Branch& branch, const model::Convolution& base, at::ScalarType type) {
  return branch.a_in(type).view({-1, base.in_channels, base.kernel_size, base.kernel_size});  // [r, in, k, k]
}

}  // namespace

at::Tensor rows_of_map(const at::Tensor& map) {
  return map.permute({0, 2, 3, 1}).reshape({-1, map.size(1)});
}

at::Tensor map_of_rows(const at::Tensor& rows, const at::Tensor& like) {
  return rows.view({like.size(0), like.size(2), like.size(3), rows.size(1)}).permute({0, 3, 1, 2});
}

at::Tensor reduced_by_a(const Branch& branch, const model::Convolution& base, const at::Tensor& x) {
  return rows_of_map(
      at::conv2d(x, kernel_of_a(branch, base, x.scalar_type()), /*bias=*/{}, base.stride, base.padding));
}

void add_rows(at::Tensor& y, const at::Tensor& rows, const at::Tensor& b, double scale) {
  if (y.is_contiguous(at::MemoryFormat::ChannelsLast))
    rows_of_map(y).addmm_(rows, b.t(), /*beta=*/1, /*alpha=*/scale);
  else
    y.add_(map_of_rows(at::mm(rows, b.t()), y), scale);
}

at::Tensor add_a_gradient(const Branch& branch, const model::Convolution& base, const at::Tensor& p,
                          const at::Tensor& x, const at::Tensor& dy, bool wants_dx) {
  auto [dx, a_gradient, none] = at::convolution_backward(
      map_of_rows(p, dy), x, kernel_of_a(branch, base, p.scalar_type()), /*bias_sizes=*/std::nullopt,
      {base.stride, base.stride}, {base.padding, base.padding}, /*dilation=*/{1, 1}, /*transposed=*/false,
      /*output_padding=*/{0, 0}, /*groups=*/1, /*output_mask=*/{wants_dx, true, false});
  at::Tensor gradient = branch.a_gradient;
  gradient.add_(a_gradient.reshape(gradient.sizes()), branch.scale);
  return wants_dx ? dx.mul_(branch.scale) : dx;
}

}  // namespace sdlora::lora
