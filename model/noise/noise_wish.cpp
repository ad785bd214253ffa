#include "model/noise/noise_wish.h"

namespace sdlora::model {

void NoiseWish::declare(OptionGroup group) {
  group
      .add("prediction-type", prediction, Scope::kResult,
           "what the UNet was trained to predict: epsilon or v_prediction; auto: as the model's files say")
      .one_of(prediction_words());
  group
      .add("zero-terminal-snr", zero_terminal_snr, Scope::kResult,
           "whether the last timestep is noise alone: on or off; auto: as the model's files say")
      .one_of(zero_snr_words());
}

Words<PredictionWish> prediction_words() {
  return {{"auto", PredictionWish::kAuto},
          {"epsilon", PredictionWish::kEpsilon},
          {"v_prediction", PredictionWish::kVelocity}};
}

Words<ZeroSnrWish> zero_snr_words() {
  return {{"auto", ZeroSnrWish::kAuto}, {"on", ZeroSnrWish::kOn}, {"off", ZeroSnrWish::kOff}};
}

}  // namespace sdlora::model
