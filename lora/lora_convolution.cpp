#include "lora/lora_convolution.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "common/error.h"
#include "model/kernels/hand_written_backward.h"

namespace sdlora::lora {
namespace {

// [B, C, h, w] → [B h w, C], a view where it is channels last
at::Tensor rows_of_map(const at::Tensor& map) {
  return map.permute({0, 2, 3, 1}).reshape({-1, map.size(1)});
}

// rows [B h w, C] → [B, C, h, w] of the batch and cells of `like`, a view that is channels last
at::Tensor map_of_rows(const at::Tensor& rows, const at::Tensor& like) {
  return rows.view({like.size(0), like.size(2), like.size(3), rows.size(1)}).permute({0, 3, 1, 2});
}

// y [B, out, h, w] += scale · (rows [B h w, r] bᵀ), b [out, r]
void add_rows(at::Tensor& y, const at::Tensor& rows, const at::Tensor& b, double scale) {
  if (y.is_contiguous(at::MemoryFormat::ChannelsLast))
    rows_of_map(y).addmm_(rows, b.t(), /*beta=*/1, /*alpha=*/scale);
  else
    y.add_(map_of_rows(at::mm(rows, b.t()), y), scale);
}

at::Tensor kernel_of_a(const Branch& branch, const model::Convolution& base, at::ScalarType type) {
  return branch.a_in(type).view({-1, base.in_channels, base.kernel_size, base.kernel_size});  // [r, in, k, k]
}

}  // namespace

LoraConvolution::LoraConvolution(model::ConvolutionSlot frozen, Branch branch)
    : frozen_(std::move(frozen)), branch_(std::move(branch)) {
  if (dynamic_cast<const LoraConvolution*>(frozen_.get()) != nullptr)
    throw Error(ExitCode::kInternal, "a convolution takes only one adapter");
}

at::Tensor LoraConvolution::forward(const at::Tensor& x) const {
  const at::Tensor input = x.detach();
  at::Tensor y, reduced, factors;  // [B, out, h', w'], [n, r], [B, n/B or 1, r]
  {
    const c10::NoGradGuard no_gradients;
    y = base().compute(input);
    const at::Tensor map = at::conv2d(input, kernel_of_a(branch_, base(), x.scalar_type()), /*bias=*/{},
                                      base().stride, base().padding);  // [B, r, h', w']
    reduced = rows_of_map(map);
    factors = branch_.dropout_factors(reduced.size(0) / x.size(0), x.scalar_type());
    multiply_rows(reduced, factors);
    add_rows(y, reduced, branch_.b_in(x.scalar_type()), branch_.scale);
  }
  // As in lora_projection.cpp A stands for a leaf.
  if (!model::kernels::wants_backward({x, branch_.a})) return y;
  //   dx = dy * Wᵀ + s (dy B) * Aᵀ
  return model::kernels::with_backward(
      y, {x, branch_.a},
      [branch = branch_, layer = base(), input, reduced, factors, version = branch_.version(),
       wants_dx = x.requires_grad()](const at::Tensor& dy) -> std::vector<at::Tensor> {
        TORCH_CHECK(branch.version() == version, "A or B has changed since this forward pass");
        const at::Tensor dy_rows = rows_of_map(dy);                     // [n, out]
        at::Tensor p = at::mm(dy_rows, branch.b_in(dy.scalar_type()));  // dy B [n, r]
        multiply_rows(p, factors);
        branch.add_b_gradient(dy_rows, reduced);
        auto [dx_of_branch, a_gradient, none] = at::convolution_backward(
            map_of_rows(p, dy), input, kernel_of_a(branch, layer, dy.scalar_type()),
            /*bias_sizes=*/std::nullopt, {layer.stride, layer.stride}, {layer.padding, layer.padding},
            /*dilation=*/{1, 1}, /*transposed=*/false,
            /*output_padding=*/{0, 0}, /*groups=*/1, /*output_mask=*/{wants_dx, true, false});
        at::Tensor gradient = branch.a_gradient;
        gradient.add_(a_gradient.reshape(gradient.sizes()), branch.scale);
        if (!wants_dx) return {{}, {}};
        return {layer.input_gradient(dy, input.sizes()).add_(dx_of_branch, branch.scale), {}};
      });
}

}  // namespace sdlora::lora
