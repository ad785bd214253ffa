// A VAE in the layout of the original code base (CompVis/stable-diffusion, ldm/modules/diffusionmodules/
// model.py): its levels are `down.l` and `up.l` by level, where diffusers counts the decoder's blocks from
// the coarsest one.
#pragma once

#include <filesystem>

#include "model/loading/model_config.h"
#include "model/loading/stored_weights.h"

namespace sdlora::model {

// From names without a prefix ("decoder.up.3.block.0.conv1.weight") to canonical ones
// ("decoder.up_blocks.0.resnets.0.conv1.weight" of a VAE of 4 levels). What is unknown keeps its name.
StoredWeights canonical_ldm_vae(const StoredWeights& weights);

// As diffusers writes it, from canonical names and shapes. What weights do not tell is as in Stable
// Diffusion: 32 groups, scaling factor 0.18215. Throws Error(kBadData) naming `file` and what is not as in an
// AutoencoderKL.
ModelConfig config_of_vae(const StoredWeights& weights, const std::filesystem::path& file);

}  // namespace sdlora::model
