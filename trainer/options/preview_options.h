// Pictures drawn while it trains.
#pragma once

#include <cstdint>
#include <filesystem>

#include "common/options.h"
#include "data/images/picture_size.h"
#include "trainer/options/interval.h"

namespace sdlora::trainer {

struct PreviewOptions {
  Interval every;
  std::filesystem::path prompts;  // a file, one prompt a line
  int64_t step_count = 20;        // sampling steps a picture
  double guidance_scale = 7.5;
  uint64_t seed = 0;        // of every picture's noise
  int64_t size = 0;         // pixels along a side; 0: the data's
  bool of_average = false;  // also with the moving average (--ema-decay)

  void declare(OptionGroup group);

  // Throws Error(kUsage): previews are wanted, and there are no prompts.
  void check() const;

  // `trained_size`: of the data set's pictures, in pixels.
  data::PictureSize picture_size(int64_t trained_size) const {
    return data::square(size == 0 ? trained_size : size);
  }
};

}  // namespace sdlora::trainer
