#include "lora/lora_convolution.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "common/error.h"
#include "lora/convolution_branch.h"
#include "model/kernels/hand_written_backward.h"

namespace sdlora::lora {

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
    reduced = reduced_by_a(branch_, base(), input);
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
        const at::Tensor dx_of_branch = add_a_gradient(branch, layer, p, input, dy, wants_dx);
        if (!wants_dx) return {{}, {}};
        return {layer.input_gradient(dy, input.sizes()).add_(dx_of_branch), {}};
      });
}

}  // namespace sdlora::lora
