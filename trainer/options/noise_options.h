// The noise that samples are trained with.
#pragma once

#include "common/options.h"
#include "model/noise/noise_wish.h"

namespace sdlora::trainer {

struct NoiseOptions {
  model::NoiseWish schedule;
  double offset = 0;                // std of a constant added to each channel of the noise; 0: none
  int64_t multires_iterations = 0;  // coarser noises that are added; 0: none
  double multires_discount = 0.3;   // of each coarser one
  double input_gamma = 0;           // of further noise in the input that is not predicted; 0: none

  void declare(OptionGroup group);
};

}  // namespace sdlora::trainer
