// A run in words, before its first step.
#pragma once

#include <string>
#include <vector>

#include "trainer/run_parts.h"

namespace sdlora::trainer {

struct PlanContext {
  int rank_count;
  int64_t first_step;
  at::Device device;
};

// "name: text" lines: model, data, adapter, batch arithmetic, optimiser, precision, devices, memory.
std::vector<std::string> describe_plan(const TrainConfig& config, const RunParts& parts,
                                       const PlanContext& context);

}  // namespace sdlora::trainer
