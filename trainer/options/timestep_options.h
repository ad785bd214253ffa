// Which timesteps samples are trained at.
#pragma once

#include <cstdint>

#include "common/options.h"

namespace sdlora::trainer {

enum class TimestepSampling { kUniform, kLogitNormal, kSigmoid, kCosMap };

Words<TimestepSampling> timestep_sampling_words();

struct TimestepOptions {
  static constexpr int64_t kUsualCount = 1000;

  int64_t least = 0;
  int64_t bound = kUsualCount;  // one more than the greatest
  TimestepSampling sampling = TimestepSampling::kUniform;
  double bias = 0;
  double weight = 0;

  void declare(OptionGroup group);

  // Throws Error(kUsage): settings that contradict each other.
  void check() const;
};

}  // namespace sdlora::trainer
