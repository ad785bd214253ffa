// Module names as kohya writes them: the path with every '.' made '_' (kohya-ss sd-scripts networks/lora.py
// create_modules). There is no way back by the name alone.
#pragma once

#include <algorithm>
#include <string>

namespace sdlora::lora {

// "mid_block.attentions.0.proj_in" → "mid_block_attentions_0_proj_in"
inline std::string flat_name(std::string path) {
  std::replace(path.begin(), path.end(), '.', '_');
  return path;
}

}  // namespace sdlora::lora
