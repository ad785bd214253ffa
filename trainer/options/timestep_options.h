// Which timesteps samples are trained at.
#pragma once

#include <cstdint>

#include "common/options.h"

namespace sdlora::trainer {

enum class TimestepSampling { kUniform, kLogitNormal, kSigmoid, kCosMap };

Words<TimestepSampling> timestep_sampling_words();

struct TimestepOptions {
  int64_t least = 0;
  int64_t bound = 0;  // one more than the greatest; 0: all that the model has
  TimestepSampling sampling = TimestepSampling::kUniform;
  double bias = 0;
  double weight = 0;

  void declare(OptionGroup group);

  // Throws Error(kUsage): settings that contradict each other.
  void check() const;
};

}  // namespace sdlora::trainer
