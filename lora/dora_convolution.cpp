#include "lora/dora_convolution.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "lora/convolution_branch.h"
#include "model/kernels/hand_written_backward.h"

namespace sdlora::lora {
namespace {

at::Tensor by_channel(const at::Tensor& values) {  // [out] → [1, out, 1, 1]
  return values.view({1, -1, 1, 1});
}

}  // namespace

DoraConvolution::DoraConvolution(model::ConvolutionSlot frozen, Branch branch,
                                 std::shared_ptr<Magnitude> magnitude)
    : frozen_(std::move(frozen)), branch_(std::move(branch)), magnitude_(std::move(magnitude)) {}

at::Tensor DoraConvolution::forward(const at::Tensor& x) const {
  const at::Tensor input = x.detach();
  at::Tensor y, reduced, factors, gain;  // [B, out, h', w'], [n, r], [B, n/B or 1, r], [out]
  {
    const c10::NoGradGuard no_gradients;
    gain = magnitude_->gain(branch_).to(x.scalar_type());
    y = base().compute(input);
    y.mul_(by_channel(gain)).add_(by_channel(base().bias * (1 - gain)));
    reduced = reduced_by_a(branch_, base(), input);
    factors = branch_.dropout_factors(reduced.size(0) / x.size(0), x.scalar_type());
    multiply_rows(reduced, factors);
    add_rows(y, reduced, branch_.b_in(x.scalar_type()) * gain.unsqueeze(1), branch_.scale);
  }
  // As in lora_projection.cpp A stands for a leaf.
  if (!model::kernels::wants_backward({x, branch_.a})) return y;
  //   dx = (dy ⊙ g) * Wᵀ + s p * Aᵀ   dB += s g ⊙ (dyᵀ A x)   p = dy (g ⊙ B)
  return model::kernels::with_backward(
      y, {x, branch_.a},
      [branch = branch_, magnitude = magnitude_, layer = base(), input, reduced, factors, gain,
       output = y.detach(), version = branch_.version(),
       wants_dx = x.requires_grad()](const at::Tensor& dy) -> std::vector<at::Tensor> {
        TORCH_CHECK(branch.version() == version, "m, A or B has changed since this forward pass");
        const at::Tensor dy_rows = rows_of_map(dy);                                         // [n, out]
        at::Tensor p = at::mm(dy_rows, branch.b_in(dy.scalar_type()) * gain.unsqueeze(1));  // [n, r]
        multiply_rows(p, factors);
        branch.add_b_gradient(dy_rows, reduced, gain);
        magnitude->add_gradient(dy_rows, rows_of_map(output), layer.bias);
        const at::Tensor dx_of_branch = add_a_gradient(branch, layer, p, input, dy, wants_dx);
        if (!wants_dx) return {{}, {}};
        return {layer.input_gradient(dy * by_channel(gain), input.sizes()).add_(dx_of_branch), {}};
      });
}

}  // namespace sdlora::lora
