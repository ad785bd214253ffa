#include "lora/lora_projection.h"

#include <c10/core/GradMode.h>

#include "model/kernels/hand_written_backward.h"
#include "model/kernels/matrix_product.h"

namespace sdlora::lora {
namespace {

// gradient += scale · leftᵀ right, in fp32 whatever the type of left and right.
void accumulate_product(at::Tensor gradient, const at::Tensor& left, const at::Tensor& right, double scale) {
  if (left.scalar_type() == at::kFloat)
    at::addmm_out(gradient, gradient, left.t(), right, /*beta=*/1, /*alpha=*/scale);
  else
    gradient.add_(at::mm(left.t(), right), scale);
}

// dB += s dyᵀ (x Aᵀ)   dA += s (dy B)ᵀ x.  Returns dy B [n, r].
at::Tensor add_gradients(const LoraTensors& tensors, const at::Tensor& rows, const at::Tensor& reduced,
                         const at::Tensor& dy, double scale) {
  const at::Tensor p = at::mm(dy, tensors.b.to(dy.scalar_type()));
  accumulate_product(tensors.b_gradient, dy, reduced, scale);
  accumulate_product(tensors.a_gradient, p, rows, scale);
  return p;
}

at::Tensor reduce(const at::Tensor& rows, const LoraTensors& tensors) {  // x Aᵀ [n, r]
  return at::mm(rows, tensors.a.detach().to(rows.scalar_type()).t());
}

}  // namespace

const model::Linear& LoraProjection::merged() const {
  const c10::NoGradGuard no_gradients;
  const int64_t version = tensors_.a._version() + tensors_.b._version();
  if (merged_.weight.defined() && merged_version_ == version) return merged_;
  if (!merged_.weight.defined()) {
    merged_ = base();
    merged_.weight = at::empty_like(base().weight);
  }
  at::addmm_out(merged_.weight, base().weight, tensors_.b, tensors_.a, /*beta=*/1, /*alpha=*/scale_);
  merged_version_ = version;
  return merged_;
}

at::Tensor LoraProjection::forward(const at::Tensor& x) const {
  const bool is_merged = x.device().is_cpu() && x.scalar_type() == at::kFloat;
  const bool is_trained = tensors_.a_gradient.defined() && c10::GradMode::is_enabled();
  const at::Tensor rows = x.detach().reshape({-1, x.size(-1)});  // [n, in]
  at::Tensor y, reduced;                                         // [..., out], [n, r]
  {
    const c10::NoGradGuard no_gradients;
    y = is_merged ? merged().forward(x) : frozen_->forward(x);
    if (!is_merged) {
      reduced = reduce(rows, tensors_);
      y.view({-1, y.size(-1)})
          .addmm_(reduced, tensors_.b.to(x.scalar_type()).t(), /*beta=*/1, /*alpha=*/scale_);
    }
  }
  if (!is_trained) return y;

  // A takes part only so that the graph has a leaf that wants gradients; its gradient is written, not
  // returned.
  //   dx = dy W + s (dy B) A
  return model::kernels::with_backward(
      y, {x, tensors_.a},
      [tensors = tensors_, rows, reduced, weight = is_merged ? merged().weight : base().weight, is_merged,
       by_onednn = base().by_onednn, scale = scale_, input_shape = x.sizes().vec(),
       wants_dx = x.requires_grad()](const at::Tensor& output_gradient) -> std::vector<at::Tensor> {
        const at::Tensor dy = output_gradient.reshape({rows.size(0), -1});  // [n, out]
        const at::Tensor p =
            add_gradients(tensors, rows, is_merged ? reduce(rows, tensors) : reduced, dy, scale);
        if (!wants_dx) return {{}, {}};
        at::Tensor dx = model::kernels::matrix_product(dy, weight, /*bias=*/{}, by_onednn);  // [n, in]
        if (!is_merged) dx.addmm_(p, tensors.a.to(dy.scalar_type()), /*beta=*/1, /*alpha=*/scale);
        return {dx.view(input_shape), {}};
      });
}

}  // namespace sdlora::lora
