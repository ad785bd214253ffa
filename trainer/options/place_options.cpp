#include "trainer/options/place_options.h"

namespace sdlora::trainer {

void PlaceOptions::declare(OptionGroup group) {
  group.add("model", model, Scope::kRank, "Stable Diffusion 1.5 in diffusers layout").required();
  group.add("data", data, Scope::kRank, "directory written by cache_latents").required();
  group.add("output", output, Scope::kRank, "run directory").required();
  group.add("img-size", image_size, Scope::kRank, "pixels; 0: what the data has, else refused if it differs")
      .at_least(0);
}

}  // namespace sdlora::trainer
