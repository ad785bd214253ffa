// Module names in kohya's files: the diffusers path with every '.' made '_' (kohya-ss sd-scripts
// networks/lora.py create_modules).
#pragma once

#include <string>

namespace sdlora::lora {

// "mid_block.attentions.0.proj_in" → "mid_block_attentions_0_proj_in"
std::string kohya_name_of_path(const std::string& path);

// The way back: underscores stay where they belong to a word that diffusers' UNet and transformers' CLIP text
// encoder have.
std::string path_of_kohya_name(const std::string& name);

}  // namespace sdlora::lora
