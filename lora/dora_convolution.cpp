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
    gain = magnitude_->gain(branch_);
    reduced = reduced_by_a(branch_, base(), input);
    factors = branch_.dropout_factors(reduced.size(0) / x.size(0), x.scalar_type());
    multiply_rows(reduced, factors);
    const at::Tensor plain = base().compute(input);
    const at::Tensor part = at::mm(reduced, b_times_gain(branch_, gain, x.scalar_type()).t());
    y = with_gain_and_branch(plain, by_channel(gain), by_channel(base().bias), map_of_rows(part, plain),
                             branch_.scale);
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
        const at::Tensor dy_rows = rows_of_map(dy);                                    // [n, out]
        at::Tensor p = at::mm(dy_rows, b_times_gain(branch, gain, dy.scalar_type()));  // [n, r]
        multiply_rows(p, factors);
        branch.add_b_gradient(dy_rows, reduced, gain);
        magnitude->add_gradient(dy_rows, rows_of_map(output), layer.bias);
        const at::Tensor dx_of_branch = add_a_gradient(branch, layer, p, input, dy, wants_dx);
        if (!wants_dx) return {{}, {}};
        const at::Tensor dy_of_frozen = (dy * by_channel(gain)).to(dy.scalar_type());
        return {layer.input_gradient(dy_of_frozen, input.sizes()).add_(dx_of_branch), {}};
      });
}

}  // namespace sdlora::lora
