#include "lora/magnitude.h"

#include <utility>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

namespace sdlora::lora {
namespace {

constexpr double kSmallestSquare = 1e-30;  // for rows of zeros: 0 / 0 is 1 then

}  // namespace

Magnitude::Magnitude(at::Tensor values, at::Tensor gradient, const at::Tensor& weight)
    : values_(std::move(values)),
      gradient_(std::move(gradient)),
      weight_(weight.reshape({weight.size(0), -1})),
      squares_(weight_.to(at::kFloat).square().sum(1)),
      gain_(at::empty_like(squares_)) {
  const c10::NoGradGuard no_gradients;
  values_.copy_(squares_.clamp_min(kSmallestSquare).sqrt());
}

// ‖W + s B A‖² = ‖W‖² + 2 s B ⊙ (W Aᵀ) + s² (B A Aᵀ) ⊙ B, each summed over the ranks: no product of the
// weight's size is made.
at::Tensor Magnitude::lengths(const Branch& branch) const {
  const at::Tensor a = branch.a.detach(), b = branch.b.detach();  // [r, in], [out, r]
  const at::Tensor across =
      at::mm(weight_, branch.a_in(weight_.scalar_type()).t()).to(at::kFloat);  // W Aᵀ [out, r]
  const at::Tensor own = at::mm(b, at::mm(a, a.t()));                          // [out, r]
  const at::Tensor squares =
      squares_ + (b * (2 * branch.scale * across + branch.scale * branch.scale * own)).sum(1);
  return squares.clamp_min(kSmallestSquare).sqrt();
}

at::Tensor Magnitude::gain(const Branch& branch) const {
  const c10::NoGradGuard no_gradients;
  const int64_t version = branch.version();  // of the buffer that m is in, too
  if (gain_version_ == version) return gain_;
  at::Tensor gain = gain_;
  at::div_out(gain, values_, lengths(branch));
  gain_version_ = version;
  return gain;
}

void Magnitude::set_to_length(const Branch& branch) {
  const c10::NoGradGuard no_gradients;
  values_.copy_(lengths(branch));
}

void Magnitude::add_gradient(const at::Tensor& dy, const at::Tensor& y, const at::Tensor& bias) const {
  at::Tensor product = (dy * y).sum(0, /*keepdim=*/false, at::kFloat);  // [out]
  if (bias.defined()) product -= bias.to(at::kFloat) * dy.sum(0, /*keepdim=*/false, at::kFloat);
  at::Tensor gradient = gradient_;
  gradient.add_(product / values_.detach());
}

}  // namespace sdlora::lora
