#include "trainer/options/noise_options.h"

namespace sdlora::trainer {

void NoiseOptions::declare(OptionGroup group) {
  schedule.declare(group);
  group
      .add("noise-offset", offset, Scope::kResult,
           "std of a constant added to each channel of the noise, so that the mean is learnt too; 0: none")
      .between(0, 100);
  group
      .add("multires-noise-iterations", multires_iterations, Scope::kResult,
           "so many coarser noises are added to the noise (pyramid noise; 6 to 10 are usual); 0: none")
      .between(0, 100);
  group
      .add("multires-noise-discount", multires_discount, Scope::kResult,
           "by which each coarser noise counts less than the one before")
      .between(0, 1);
  group
      .add("ip-noise-gamma", input_gamma, Scope::kResult,
           "std of further noise in the input, which the model is not to predict (input perturbation); 0: "
           "none")
      .between(0, 100);
}

}  // namespace sdlora::trainer
