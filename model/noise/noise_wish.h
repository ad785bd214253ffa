// What a run asks of the noise schedule in place of what the model's files say, or fail to say: the options
// --prediction-type and --zero-terminal-snr of trainer and generate.
#pragma once

#include "common/options.h"
#include "common/words.h"

namespace sdlora::model {

enum class PredictionWish { kAuto, kEpsilon, kVelocity };
enum class ZeroSnrWish { kAuto, kOn, kOff };

struct NoiseWish {
  PredictionWish prediction = PredictionWish::kAuto;
  ZeroSnrWish zero_terminal_snr = ZeroSnrWish::kAuto;

  void declare(OptionGroup group);
};

Words<PredictionWish> prediction_words();
Words<ZeroSnrWish> zero_snr_words();

}  // namespace sdlora::model
