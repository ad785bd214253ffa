// Settings that are allowed each for itself, and that nobody can want together.
#pragma once

#include <string>
#include <vector>

#include "trainer/options/train_config.h"

namespace sdlora::trainer {

// One sentence each, to warn with; empty when there is nothing to say.
std::vector<std::string> doubts_about(const TrainConfig& config);

}  // namespace sdlora::trainer
