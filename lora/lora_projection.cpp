#include "lora/lora_projection.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "common/error.h"
#include "model/kernels/hand_written_backward.h"
#include "model/kernels/matrix_product.h"

namespace sdlora::lora {
namespace {

// gradient += scale · leftᵀ right, in fp32 whatever the type of left and right. On a GPU in one operation,
// whose sums are not rounded to 16 bits on their way.
void accumulate_product(at::Tensor gradient, const at::Tensor& left, const at::Tensor& right, double scale) {
  if (left.is_cuda() && left.scalar_type() != at::kFloat)
    at::addmm_out(gradient, gradient, left.t(), right, /*out_dtype=*/at::kFloat, /*beta=*/1,
                  /*alpha=*/scale);
  else if (left.scalar_type() == at::kFloat)
    at::addmm_out(gradient, gradient, left.t(), right, /*beta=*/1, /*alpha=*/scale);
  else
    gradient.add_(at::mm(left.t(), right), scale);
}

// dB += s dyᵀ (x Aᵀ)   dA += s pᵀ x, p = dy B [n, r]
void add_gradients(const LoraTensors& tensors, const at::Tensor& rows, const at::Tensor& reduced,
                   const at::Tensor& dy, const at::Tensor& p, double scale) {
  accumulate_product(tensors.b_gradient, dy, reduced, scale);
  accumulate_product(tensors.a_gradient, p, rows, scale);
}

at::Tensor reduce(const at::Tensor& rows, const LoraTensors& tensors) {  // x Aᵀ [n, r]
  return at::mm(rows, tensors.a_in(rows.scalar_type()).t());
}

// Of A and B, as autograd counts changes in place.
int64_t version_of(const LoraTensors& tensors) {
  return static_cast<int64_t>(tensors.a._version()) + tensors.b._version();
}

}  // namespace

LoraProjection::LoraProjection(model::ProjectionSlot frozen, LoraTensors tensors, double scale)
    : frozen_(std::move(frozen)), tensors_(std::move(tensors)), scale_(scale) {
  if (dynamic_cast<const LoraProjection*>(frozen_.get()) != nullptr)
    throw Error(ExitCode::kInternal, "a projection takes only one adapter");
}

const model::Linear& LoraProjection::merged() const {
  const c10::NoGradGuard no_gradients;
  const int64_t version = version_of(tensors_);
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
  const at::Tensor rows = x.detach().reshape({-1, x.size(-1)});  // [n, in]
  at::Tensor y, reduced;                                         // [..., out], [n, r]
  {
    const c10::NoGradGuard no_gradients;
    y = is_merged ? merged().forward(x) : frozen_->forward(x);
    if (!is_merged) {
      reduced = reduce(rows, tensors_);
      y.view({-1, y.size(-1)})
          .addmm_(reduced, tensors_.b_in(x.scalar_type()).t(), /*beta=*/1, /*alpha=*/scale_);
    }
  }
  // A takes part only so that the graph has a leaf that wants gradients; its gradient is written, not
  // returned.
  if (!model::kernels::wants_backward({x, tensors_.a})) return y;
  //   dx = dy W + s (dy B) A
  return model::kernels::with_backward(
      y, {x, tensors_.a},
      [tensors = tensors_, rows, reduced, weight = is_merged ? merged().weight : base().weight, is_merged,
       by_onednn = base().by_onednn, scale = scale_, version = version_of(tensors_),
       input_shape = x.sizes().vec(),
       wants_dx = x.requires_grad()](const at::Tensor& output_gradient) -> std::vector<at::Tensor> {
        TORCH_CHECK(version_of(tensors) == version, "A or B has changed since this forward pass");
        const at::Tensor dy = output_gradient.reshape({rows.size(0), -1});  // [n, out]
        const at::Tensor p = at::mm(dy, tensors.b_in(dy.scalar_type()));    // dy B [n, r]
        add_gradients(tensors, rows, is_merged ? reduce(rows, tensors) : reduced, dy, p, scale);
        if (!wants_dx) return {{}, {}};
        at::Tensor dx = model::kernels::matrix_product(dy, weight, /*bias=*/{}, by_onednn);  // [n, in]
        if (!is_merged) dx.addmm_(p, tensors.a_in(dy.scalar_type()), /*beta=*/1, /*alpha=*/scale);
        return {dx.view(input_shape), {}};
      });
}

}  // namespace sdlora::lora
