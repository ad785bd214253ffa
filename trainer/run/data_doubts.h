// Settings that do nothing with the data at hand, or data that these settings do not use.
#pragma once

#include <string>
#include <vector>

#include "trainer/run/loaded_run.h"

namespace sdlora::trainer {

// One sentence each, to warn with; empty when there is nothing to say.
std::vector<std::string> doubts_about_data(const TrainConfig& config, const LoadedRun& loaded);

}  // namespace sdlora::trainer
