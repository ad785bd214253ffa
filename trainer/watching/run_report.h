// What a run tells its report.
#pragma once

#include "monitoring/report/report.h"
#include "trainer/run/loaded_run.h"

namespace sdlora::trainer {

// `startup_table`: of startup_table(). `state`: running, finished, stopped, diverged, failed.
monitoring::RunReport describe_run(const TrainConfig& config, const LoadedRun& loaded,
                                   const std::vector<monitoring::TableRow>& startup_table, int64_t step,
                                   const std::string& state);

}  // namespace sdlora::trainer
