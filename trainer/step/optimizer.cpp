#include "trainer/step/optimizer.h"

#include <ATen/ATen.h>

#include "common/error.h"

namespace sdlora::trainer {

AdamW::AdamW(const AdamWConfig& config, const at::Tensor& parameters)
    : config_(config),
      parameters_(parameters),
      first_moment_(at::zeros_like(parameters)),
      second_moment_(at::zeros_like(parameters)),
      update_count_(at::zeros({}, parameters.options())) {}

void AdamW::step(const at::Tensor& gradients, double learning_rate) {
  update_count_.add_(1);
  at::_fused_adamw_({parameters_}, {gradients}, {first_moment_}, {second_moment_}, /*max_exp_avg_sqs=*/{},
                    {update_count_}, learning_rate, config_.beta1, config_.beta2, config_.weight_decay,
                    config_.eps,
                    /*amsgrad=*/false, /*maximize=*/false);
  // The fused kernel does not count as a change in place; LoRA's merged or rounded weights are made anew by
  // that count.
  parameters_.unsafeGetTensorImpl()->bump_version();
}

checkpoint::NamedTensors AdamW::state() const {
  return {
      {"first_moment", first_moment_}, {"second_moment", second_moment_}, {"update_count", update_count_}};
}

void AdamW::load(const checkpoint::NamedTensors& state) {
  for (const auto& [name, mine] : this->state()) {
    const auto saved = state.find(name);
    if (saved == state.end() || saved->second.sizes() != mine.sizes())
      throw Error(ExitCode::kBadData,
                  {.what = "the checkpoint's optimiser state does not fit this run",
                   .expected = name + " with " + std::to_string(mine.numel()) + " values",
                   .seen = saved == state.end() ? "nothing of that name" : "another shape"});
    mine.detach().copy_(saved->second);
  }
}

double clip_gradient_norm(at::Tensor& gradients, double max_norm) {
  const double norm =
      at::linalg_vector_norm(gradients, 2, std::nullopt, /*keepdim=*/false, at::kDouble).item<double>();
  if (const double factor = clip_factor(norm, max_norm); factor < 1) gradients.mul_(factor);
  return norm;
}

double clip_factor(double norm, double max_norm) {
  constexpr double kEps = 1e-6;  // as torch's
  return max_norm > 0 && norm > max_norm ? max_norm / (norm + kEps) : 1;
}

}  // namespace sdlora::trainer
