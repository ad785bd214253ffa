// When a run saves, and from where it goes on.
#pragma once

#include <cstdint>
#include <string>

#include "common/options.h"

namespace sdlora::trainer {

struct CheckpointOptions {
  int64_t every = 100;          // steps; 0: only at the end
  int64_t keep_count = 0;       // the newest; 0: all
  std::string resume = "auto";  // auto, none, or a checkpoint directory

  void declare(OptionGroup group);
};

}  // namespace sdlora::trainer
