#include "trainer/optimizers/optimizer.h"

#include <algorithm>
#include <utility>

#include <ATen/ATen.h>

#include "common/error.h"
#include "trainer/optimizers/adafactor.h"
#include "trainer/optimizers/adamw.h"
#include "trainer/optimizers/lion.h"
#include "trainer/optimizers/max_norm.h"
#include "trainer/optimizers/moving_average.h"
#include "trainer/optimizers/prodigy.h"
#include "trainer/optimizers/schedule_free_adamw.h"

namespace sdlora::trainer {

void Optimizer::load(const checkpoint::NamedTensors& state) {
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

namespace {

// [P], or undefined where all are 1.
at::Tensor rate_factors_of(const std::vector<MatrixRange>& matrices, const at::Tensor& parameters) {
  const bool are_equal = std::all_of(matrices.begin(), matrices.end(),
                                     [](const MatrixRange& matrix) { return matrix.rate_factor == 1; });
  if (are_equal) return {};
  at::Tensor factors = at::ones_like(parameters);
  for (const MatrixRange& matrix : matrices)
    factors.narrow(0, matrix.first, matrix.count()).fill_(matrix.rate_factor);
  return factors;
}

std::unique_ptr<Optimizer> make_plain(const OptimizerOptions& options, const at::Tensor& parameters,
                                      const OptimizerSetting& setting) {
  const at::Tensor factors = rate_factors_of(setting.matrices, parameters);
  switch (options.kind) {
    case OptimizerKind::kAdamW:
      break;
    case OptimizerKind::kLion:
      return std::make_unique<Lion>(lion_config(options), parameters, factors);
    case OptimizerKind::kAdafactor:
      return std::make_unique<Adafactor>(adafactor_config(options), parameters, setting.matrices);
    case OptimizerKind::kProdigy:
      return std::make_unique<Prodigy>(prodigy_config(options), parameters);
    case OptimizerKind::kScheduleFreeAdamW:
      return std::make_unique<ScheduleFreeAdamW>(schedule_free_config(options), parameters, factors,
                                                 setting.warmup_steps);
  }
  return std::make_unique<AdamW>(adamw_config(options), parameters, setting.matrices);
}

}  // namespace

std::unique_ptr<Optimizer> make_optimizer(const OptimizerOptions& options, const at::Tensor& parameters,
                                          const OptimizerSetting& setting) {
  std::unique_ptr<Optimizer> optimizer = make_plain(options, parameters, setting);
  if (options.max_weight_norm > 0)
    optimizer = std::make_unique<MaxNorm>(std::move(optimizer), options.max_weight_norm, parameters,
                                          setting.matrices, setting.scales);
  if (options.ema_decay == 0) return optimizer;
  return std::make_unique<MovingAverage>(std::move(optimizer), options.ema_decay, parameters);
}

ShownParameters::ShownParameters(const at::Tensor& shown, at::Tensor parameters)
    : parameters_(std::move(parameters)) {
  if (shown.is_same(parameters_)) return;
  trained_ = parameters_.clone();
  parameters_.copy_(shown);
}

ShownParameters::~ShownParameters() {
  if (!trained_.defined()) return;
  try {
    parameters_.copy_(trained_);
  } catch (const c10::Error&) {  // the GPU has failed, and whoever noticed it first has said so
  }
}

}  // namespace sdlora::trainer
