#include "lora/branch.h"

#include <ATen/ATen.h>

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

}  // namespace

at::Tensor Branch::dropout_factors(int64_t token_count, at::ScalarType type) const {
  if (!dropout || !dropout->is_on()) return {};
  return dropout->draw(module, token_count, a.size(0)).to(a.options().dtype(type).requires_grad(false));
}

void Branch::add_a_gradient(const at::Tensor& p, const at::Tensor& x) const {
  accumulate_product(a_gradient, p, x, scale);
}

void Branch::add_b_gradient(const at::Tensor& dy, const at::Tensor& reduced, const at::Tensor& gain) const {
  if (!gain.defined()) return accumulate_product(b_gradient, dy, reduced, scale);
  at::Tensor product = at::zeros_like(b_gradient);
  accumulate_product(product, dy, reduced, scale);
  at::Tensor gradient = b_gradient;
  gradient.addcmul_(product, gain.to(at::kFloat).unsqueeze(1));
}

void multiply_rows(at::Tensor& reduced, const at::Tensor& factors) {
  if (!factors.defined()) return;
  reduced.view({factors.size(0), -1, reduced.size(1)}).mul_(factors);
}

}  // namespace sdlora::lora
