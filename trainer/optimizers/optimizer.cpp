#include "trainer/optimizers/optimizer.h"

#include <utility>

#include <ATen/ATen.h>

#include "common/error.h"
#include "trainer/optimizers/adafactor.h"
#include "trainer/optimizers/adamw.h"
#include "trainer/optimizers/lion.h"
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

std::unique_ptr<Optimizer> make_optimizer(const OptimizerOptions& options, const at::Tensor& parameters,
                                          const OptimizerSetting& setting) {
  switch (options.kind) {
    case OptimizerKind::kAdamW:
      break;
    case OptimizerKind::kLion:
      return std::make_unique<Lion>(lion_config(options), parameters);
    case OptimizerKind::kAdafactor:
      return std::make_unique<Adafactor>(adafactor_config(options), parameters, setting.matrices);
    case OptimizerKind::kProdigy:
      return std::make_unique<Prodigy>(prodigy_config(options), parameters);
    case OptimizerKind::kScheduleFreeAdamW:
      return std::make_unique<ScheduleFreeAdamW>(schedule_free_config(options), parameters,
                                                 setting.warmup_steps);
  }
  return std::make_unique<AdamW>(adamw_config(options), parameters);
}

bool goes_without_schedule(OptimizerKind kind) {
  return kind == OptimizerKind::kScheduleFreeAdamW;
}

EvaluationParameters::EvaluationParameters(const Optimizer& optimizer, at::Tensor parameters)
    : parameters_(std::move(parameters)) {
  const at::Tensor shown = optimizer.evaluation_parameters();
  if (shown.is_same(parameters_)) return;
  trained_ = parameters_.clone();
  parameters_.copy_(shown);
}

EvaluationParameters::~EvaluationParameters() {
  if (trained_.defined()) parameters_.copy_(trained_);
}

}  // namespace sdlora::trainer
