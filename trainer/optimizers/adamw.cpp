#include "trainer/optimizers/adamw.h"

#include <map>
#include <utility>

#include <ATen/ATen.h>

namespace sdlora::trainer {

AdamW::AdamW(const AdamWConfig& config, const at::Tensor& parameters,
             const std::vector<MatrixRange>& matrices)
    : Optimizer(parameters),
      config_(config),
      first_moment_(at::zeros_like(parameters)),
      second_moment_(at::zeros_like(parameters)),
      update_count_(at::zeros({}, parameters.options())) {
  std::map<double, Group> groups;  // by rate factor
  for (const MatrixRange& matrix : matrices) {
    Group& group = groups.try_emplace(matrix.rate_factor, Group{matrix.rate_factor, {}}).first->second;
    group.ranges.push_back({matrix.first, matrix.count()});
  }
  if (groups.size() < 2)  // one range of all is faster
    groups_ = {{groups.empty() ? 1 : groups.begin()->first, {{0, parameters.numel()}}}};
  else
    for (auto& [factor, group] : groups) groups_.push_back(std::move(group));
}

void AdamW::step(const at::Tensor& gradients, double learning_rate) {
  update_count_.add_(1);
  for (const Group& group : groups_) update(group, gradients, learning_rate * group.rate_factor);
  // The fused kernel does not count as a change in place; LoRA's merged or rounded weights are made anew by
  // that count.
  parameters_.unsafeGetTensorImpl()->bump_version();
}

void AdamW::update(const Group& group, const at::Tensor& gradients, double learning_rate) {
  const auto parts_of = [&group](const at::Tensor& buffer) {
    std::vector<at::Tensor> parts;
    parts.reserve(group.ranges.size());
    for (const auto& [first, count] : group.ranges) parts.push_back(buffer.narrow(0, first, count));
    return parts;
  };
  const std::vector<at::Tensor> counts(group.ranges.size(), update_count_);
  at::_fused_adamw_(parts_of(parameters_), parts_of(gradients), parts_of(first_moment_),
                    parts_of(second_moment_), /*max_exp_avg_sqs=*/{}, counts, learning_rate, config_.beta1,
                    config_.beta2, config_.weight_decay, config_.eps,
                    /*amsgrad=*/false, /*maximize=*/false);
}

checkpoint::NamedTensors AdamW::state() const {
  return {
      {"first_moment", first_moment_}, {"second_moment", second_moment_}, {"update_count", update_count_}};
}

}  // namespace sdlora::trainer
