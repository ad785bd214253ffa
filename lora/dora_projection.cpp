#include "lora/dora_projection.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "model/kernels/hand_written_backward.h"
#include "model/kernels/matrix_product.h"

namespace sdlora::lora {

DoraProjection::DoraProjection(model::ProjectionSlot frozen, Branch branch,
                               std::shared_ptr<Magnitude> magnitude)
    : frozen_(std::move(frozen)), branch_(std::move(branch)), magnitude_(std::move(magnitude)) {}

at::Tensor DoraProjection::forward(const at::Tensor& x) const {
  const at::Tensor rows = x.detach().reshape({-1, x.size(-1)});  // [n, in]
  const at::Tensor& bias = base().bias;                          // [out], or undefined
  at::Tensor factors, y, reduced, gain;  // [B, n/B or 1, r], [..., out], [n, r], [out]
  at::Tensor weight = base().weight;     // [out, in], with branch and gain where is_merged
  bool is_merged = false;
  {
    const c10::NoGradGuard no_gradients;
    factors = branch_.dropout_factors(rows.size(0) / x.size(0), x.scalar_type());
    is_merged = x.device().is_cpu() && x.scalar_type() == at::kFloat && !factors.defined();
    gain = magnitude_->gain(branch_);
    if (is_merged) {
      const model::Linear& merged = merged_.of(base(), branch_, gain);
      y = merged.forward(x);
      weight = merged.weight;
    } else {
      reduced = at::mm(rows, branch_.a_in(x.scalar_type()).t());
      multiply_rows(reduced, factors);
      const at::Tensor plain = frozen_->forward(x);
      const at::Tensor part = at::mm(reduced, b_times_gain(branch_, gain, x.scalar_type()).t());
      y = with_gain_and_branch(plain, gain, bias, part.view(plain.sizes()), branch_.scale);
    }
  }
  if (!model::kernels::wants_backward({x, branch_.a})) return y;
  //   dx = (dy ⊙ g) (W + s B A)   dB += s g ⊙ (dyᵀ A x)   dA += s pᵀ x, p = dy (g ⊙ B)
  return model::kernels::with_backward(
      y, {x, branch_.a},
      [branch = branch_, magnitude = magnitude_, rows, reduced, factors, gain, bias, output = y.detach(),
       weight, is_merged, by_onednn = base().by_onednn, version = branch_.version(),
       input_shape = x.sizes().vec(),
       wants_dx = x.requires_grad()](const at::Tensor& output_gradient) -> std::vector<at::Tensor> {
        TORCH_CHECK(branch.version() == version, "m, A or B has changed since this forward pass");
        const at::ScalarType type = output_gradient.scalar_type();
        const at::Tensor dy = output_gradient.reshape({rows.size(0), -1});  // [n, out]
        at::Tensor p = at::mm(dy, b_times_gain(branch, gain, type));        // [n, r]
        multiply_rows(p, factors);
        const at::Tensor inner = is_merged ? at::mm(rows, branch.a_in(type).t()) : reduced;
        branch.add_b_gradient(dy, inner, gain);
        branch.add_a_gradient(p, rows);
        magnitude->add_gradient(dy, output.reshape({rows.size(0), -1}), bias);
        if (!wants_dx) return {{}, {}};
        at::Tensor dx = model::kernels::matrix_product(is_merged ? dy : (dy * gain).to(type), weight,
                                                       /*bias=*/{}, by_onednn);
        if (!is_merged) dx.addmm_(p, branch.a_in(type), /*beta=*/1, /*alpha=*/branch.scale);
        return {dx.view(input_shape), {}};
      });
}

}  // namespace sdlora::lora
