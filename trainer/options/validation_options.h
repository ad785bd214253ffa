// What a run is validated on, and when.
#pragma once

#include <cstdint>
#include <filesystem>

#include "common/options.h"
#include "trainer/options/interval.h"

namespace sdlora::trainer {

struct ValidationOptions {
  Interval every;
  double split = 0;            // fraction of the data's pictures held out of the training, or:
  std::filesystem::path data;  // another cache, to validate on

  void declare(OptionGroup group);

  // Throws Error(kUsage): two sets to validate on, or none where there shall be validations.
  void check() const;
};

}  // namespace sdlora::trainer
