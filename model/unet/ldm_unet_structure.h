// A UNet's config as diffusers writes it, read from the names and shapes of its weights in LDM's layout.
// What weights do not tell (number of heads, groups, activation) is as all of Stable Diffusion 1.x and 2.x
// have it: 8 heads where proj_in is a convolution (1.x), heads 64 wide where it is linear (2.x).
#pragma once

#include <filesystem>

#include "model/loading/model_config.h"
#include "model/loading/stored_weights.h"

namespace sdlora::model {

// `weights` by LDM's names without a prefix: "input_blocks.0.0.weight". Throws Error(kBadData) naming `file`
// and the block that is not as in Stable Diffusion.
ModelConfig config_of_ldm_unet(const StoredWeights& weights, const std::filesystem::path& file);

}  // namespace sdlora::model
