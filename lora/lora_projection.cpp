#include "lora/lora_projection.h"

#include <torch/csrc/autograd/custom_function.h>

namespace sdlora::lora {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// gradient += scale · leftᵀ right, in fp32 whatever the type of left and right.
void accumulate_product(at::Tensor& gradient, const at::Tensor& left, const at::Tensor& right, double scale) {
  if (left.scalar_type() == at::kFloat)
    at::addmm_out(gradient, gradient, left.t(), right, /*beta=*/1, /*alpha=*/scale);
  else
    gradient.add_(at::mm(left.t(), right), scale);
}

// A takes part only so that the graph has a leaf that wants gradients; its gradient is written, not returned.
struct TrainedBranch : torch::autograd::Function<TrainedBranch> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& /*leaf*/,
                            const model::Projection& base, const LoraTensors& tensors, double scale) {
    const at::Tensor rows = x.reshape({-1, x.size(-1)});  // [n, in]
    const at::Tensor a = tensors.a.to(x.scalar_type());   // [r, in]
    const at::Tensor b = tensors.b.to(x.scalar_type());   // [out, r]
    const at::Tensor reduced = at::mm(rows, a.t());       // [n, r]
    at::Tensor y = base.forward(x);                       // [..., out]
    y.view({-1, y.size(-1)}).addmm_(reduced, b.t(), /*beta=*/1, /*alpha=*/scale);
    context->save_for_backward({rows, reduced, a, b, base.weight()});
    context->saved_data["a_gradient"] = tensors.a_gradient;
    context->saved_data["b_gradient"] = tensors.b_gradient;
    context->saved_data["scale"] = scale;
    context->saved_data["input_shape"] = x.sizes().vec();
    return y;
  }

  //   P = dy B            dB += s dyᵀ (A x)
  //   dx = dy W + s P A   dA += s Pᵀ x
  static variable_list backward(AutogradContext* context, const variable_list& output_gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &rows = saved[0], &reduced = saved[1], &a = saved[2], &b = saved[3], &weight = saved[4];
    const double scale = context->saved_data["scale"].toDouble();
    at::Tensor a_gradient = context->saved_data["a_gradient"].toTensor();
    at::Tensor b_gradient = context->saved_data["b_gradient"].toTensor();

    const at::Tensor dy = output_gradients[0].reshape({rows.size(0), -1});  // [n, out]
    const at::Tensor p = at::mm(dy, b);                                     // [n, r]
    accumulate_product(b_gradient, dy, reduced, scale);
    accumulate_product(a_gradient, p, rows, scale);
    if (!context->needs_input_grad(0)) return {{}, {}, {}, {}, {}};
    at::Tensor dx = at::mm(dy, weight);  // [n, in]
    dx.addmm_(p, a, /*beta=*/1, /*alpha=*/scale);
    return {dx.view(context->saved_data["input_shape"].toIntVector()), {}, {}, {}, {}};
  }
};

}  // namespace

at::Tensor LoraProjection::forward(const at::Tensor& x) const {
  if (tensors_.a_gradient.defined() && at::GradMode::is_enabled())
    return TrainedBranch::apply(x, tensors_.a, *base_, tensors_, scale_);
  const at::Tensor reduced = at::matmul(x, tensors_.a.to(x.scalar_type()).t());
  return base_->forward(x) + scale_ * at::matmul(reduced, tensors_.b.to(x.scalar_type()).t());
}

}  // namespace sdlora::lora
