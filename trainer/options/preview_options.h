// Pictures drawn while it trains.
#pragma once

#include <cstdint>
#include <filesystem>

#include "common/options.h"

namespace sdlora::trainer {

struct PreviewOptions {
  int64_t every = 0;              // steps; 0: none
  std::filesystem::path prompts;  // a file, one prompt a line
  int64_t step_count = 20;        // sampling steps a picture
  double guidance_scale = 7.5;
  uint64_t seed = 0;  // of every picture's noise
  int64_t size = 0;   // pixels along a side; 0: the data's

  void declare(OptionGroup group);

  // Throws Error(kUsage): previews are wanted, and there are no prompts.
  void check() const;
};

}  // namespace sdlora::trainer
