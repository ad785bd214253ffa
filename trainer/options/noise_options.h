// The noise that samples are trained with.
#pragma once

#include "common/options.h"
#include "model/noise/noise_wish.h"

namespace sdlora::trainer {

struct NoiseOptions {
  model::NoiseWish schedule;
  double offset = 0;  // std of a constant added to each channel of the noise; 0: none

  void declare(OptionGroup group);
};

}  // namespace sdlora::trainer
