#include "lora/magnitude.h"

#include <utility>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

namespace sdlora::lora {
namespace {

constexpr double kSmallestSquare = 1e-30;  // for rows of zeros: 0 / 0 is 1 then
constexpr double kSmallestLength = 1e-12;  // below it a row counts as one

int64_t cells_of_channels_last(const at::Tensor& weight) {
  if (weight.dim() != 4 || !weight.is_contiguous(at::MemoryFormat::ChannelsLast)) return 0;
  return weight.size(2) * weight.size(3);
}

}  // namespace

Magnitude::Magnitude(at::Tensor values, at::Tensor gradient, const at::Tensor& weight)
    : values_(std::move(values)),
      gradient_(std::move(gradient)),
      kernel_cells_(cells_of_channels_last(weight)),
      weight_((kernel_cells_ > 0 ? weight.permute({0, 2, 3, 1}) : weight).reshape({weight.size(0), -1})),
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
      at::mm(weight_, in_order(branch.a_in(weight_.scalar_type())).t()).to(at::kFloat);  // W Aᵀ [out, r]
  const at::Tensor own = at::mm(b, at::mm(a, a.t()));                                    // [out, r]
  const at::Tensor squares =
      squares_ + (b * (2 * branch.scale * across + branch.scale * branch.scale * own)).sum(1);
  return squares.clamp_min(kSmallestSquare).sqrt();
}

at::Tensor Magnitude::in_order(const at::Tensor& a) const {
  return kernel_cells_ > 0 ? a.view({a.size(0), -1, kernel_cells_}).transpose(1, 2).flatten(1) : a;
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
  at::Tensor product = (dy.to(at::kFloat) * y).sum(0);  // [out]; fp16 would overflow
  if (bias.defined()) product -= bias.to(at::kFloat) * dy.sum(0, /*keepdim=*/false, at::kFloat);
  at::Tensor gradient = gradient_;
  const at::Tensor m = values_.detach();
  gradient.add_(at::where(m.abs() > kSmallestLength, product / m, 0.0));
}

at::Tensor with_gain_and_branch(const at::Tensor& y, const at::Tensor& gain, const at::Tensor& bias,
                                const at::Tensor& part, double scale) {
  at::Tensor sum = bias.defined() ? at::addcmul(bias * (1 - gain), y, gain) : y * gain;
  return sum.add_(part, scale).to(y.scalar_type());
}

at::Tensor b_times_gain(const Branch& branch, const at::Tensor& gain, at::ScalarType type) {
  return (branch.b.detach() * gain.unsqueeze(1)).to(type);
}

}  // namespace sdlora::lora
