#include "trainer/options/noise_options.h"

namespace sdlora::trainer {

void NoiseOptions::declare(OptionGroup group) {
  schedule.declare(group);
  group
      .add("noise-offset", offset, Scope::kResult,
           "std of a constant added to each channel of the noise, so that the mean is learnt too; 0: none")
      .between(0, 100);
}

}  // namespace sdlora::trainer
