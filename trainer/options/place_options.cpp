#include "trainer/options/place_options.h"

namespace sdlora::trainer {

void PlaceOptions::declare(OptionGroup group) {
  group
      .add("model", model, Scope::kRank,
           "Stable Diffusion 1.x or 2.x: a directory in diffusers layout, a checkpoint file, or an id in the "
           "local Hugging Face cache")
      .required();
  group.add("vae", vae, Scope::kRank, "VAE in place of the model's own: a file or a directory");
  group.add("data", data, Scope::kRank, "directory written by cache_latents").required();
  group.add("output", output, Scope::kRank, "run directory").required();
  group.add("img-size", image_size, Scope::kRank, "pixels; 0: what the data has, else refused if it differs")
      .at_least(0);
}

}  // namespace sdlora::trainer
