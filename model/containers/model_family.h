// Which model a checkpoint file holds, by names and shapes of its tensors, so that what this program cannot
// use is refused by its name. The markers are those by which diffusers (loaders/single_file_utils.py),
// ComfyUI (model_detection.py), A1111 (sd_models_config.py) and stable-diffusion.cpp tell them apart.
#pragma once

#include <filesystem>

#include "model/loading/stored_weights.h"

namespace sdlora::model {

// Returns when the file holds a UNet of Stable Diffusion 1.x or 2.x (with or without VAE and text encoder).
// `weights`: the whole file. Throws Error(kBadData) that names the family or the kind of file, and what to
// use in its place.
void require_stable_diffusion(const StoredWeights& weights, const std::filesystem::path& file);

}  // namespace sdlora::model
