// How many samples a step has, and how it draws them.
#pragma once

#include <cstdint>

#include "common/options.h"

namespace sdlora::trainer {

struct BatchOptions {
  int64_t size = 8;        // samples per optimiser step over all ranks
  int64_t micro_size = 0;  // samples per forward; 0: batch size / ranks, or the resumed checkpoint's
  uint64_t seed = 0;

  void declare(OptionGroup group);
};

}  // namespace sdlora::trainer
