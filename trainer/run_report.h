// What a run tells its report.
#pragma once

#include "monitoring/report.h"
#include "trainer/run_parts.h"

namespace sdlora::trainer {

// `plan`: of describe_plan(). `state`: running, finished, stopped, diverged, failed.
monitoring::RunReport describe_run(const TrainConfig& config, const RunParts& parts,
                                   const std::vector<monitoring::Fact>& plan, int64_t step,
                                   const std::string& state);

}  // namespace sdlora::trainer
