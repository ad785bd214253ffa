// When a run saves, and from where it goes on.
#pragma once

#include <cstdint>
#include <string>

#include "common/options.h"
#include "trainer/options/interval.h"

namespace sdlora::trainer {

struct CheckpointOptions {
  Interval every{.count = 100};  // never: only at the end
  int64_t keep_count = 0;        // the newest; 0: all
  std::string resume = "auto";   // auto, none, or a checkpoint directory

  void declare(OptionGroup group);
};

}  // namespace sdlora::trainer
