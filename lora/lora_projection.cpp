#include "lora/lora_projection.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "common/error.h"
#include "model/kernels/hand_written_backward.h"
#include "model/kernels/matrix_product.h"

namespace sdlora::lora {
namespace {

at::Tensor reduce(const at::Tensor& rows, const Branch& branch) {  // x Aᵀ [n, r]
  return at::mm(rows, branch.a_in(rows.scalar_type()).t());
}

}  // namespace

LoraProjection::LoraProjection(model::ProjectionSlot frozen, Branch branch)
    : frozen_(std::move(frozen)), branch_(std::move(branch)) {
  if (dynamic_cast<const LoraProjection*>(frozen_.get()) != nullptr)
    throw Error(ExitCode::kInternal, "a projection takes only one adapter");
}

at::Tensor LoraProjection::forward(const at::Tensor& x) const {
  const at::Tensor rows = x.detach().reshape({-1, x.size(-1)});  // [n, in]
  at::Tensor factors, y, reduced;                                // [B, n/B or 1, r], [..., out], [n, r]
  at::Tensor weight = base().weight;                             // [out, in], with the branch where is_merged
  bool is_merged = false;
  {
    const c10::NoGradGuard no_gradients;
    factors = branch_.dropout_factors(rows.size(0) / x.size(0), x.scalar_type());
    is_merged = x.device().is_cpu() && x.scalar_type() == at::kFloat && !factors.defined();
    if (is_merged) {
      const model::Linear& merged = merged_.of(base(), branch_);
      y = merged.forward(x);
      weight = merged.weight;
    } else {
      y = frozen_->forward(x);
      reduced = reduce(rows, branch_);
      multiply_rows(reduced, factors);
      y.view({-1, y.size(-1)})
          .addmm_(reduced, branch_.b_in(x.scalar_type()).t(), /*beta=*/1, /*alpha=*/branch_.scale);
    }
  }
  // A takes part only so that the graph has a leaf that wants gradients; its gradient is written, not
  // returned.
  if (!model::kernels::wants_backward({x, branch_.a})) return y;
  //   dx = dy W + s (dy B) A
  return model::kernels::with_backward(
      y, {x, branch_.a},
      [branch = branch_, rows, reduced, factors, weight, is_merged, by_onednn = base().by_onednn,
       version = branch_.version(), input_shape = x.sizes().vec(),
       wants_dx = x.requires_grad()](const at::Tensor& output_gradient) -> std::vector<at::Tensor> {
        TORCH_CHECK(branch.version() == version, "A or B has changed since this forward pass");
        const at::Tensor dy = output_gradient.reshape({rows.size(0), -1});  // [n, out]
        at::Tensor p = at::mm(dy, branch.b_in(dy.scalar_type()));           // dy B [n, r]
        multiply_rows(p, factors);
        branch.add_b_gradient(dy, is_merged ? reduce(rows, branch) : reduced);
        branch.add_a_gradient(p, rows);
        if (!wants_dx) return {{}, {}};
        at::Tensor dx = model::kernels::matrix_product(dy, weight, /*bias=*/{}, by_onednn);  // [n, in]
        if (!is_merged) dx.addmm_(p, branch.a_in(dy.scalar_type()), /*beta=*/1, /*alpha=*/branch.scale);
        return {dx.view(input_shape), {}};
      });
}

}  // namespace sdlora::lora
