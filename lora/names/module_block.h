// Which block of the model a module is in.
#pragma once

#include <cctype>
#include <string>

namespace sdlora::lora {

// "down_blocks.0.attentions.1.…" → "down_blocks.0", "mid_block.attentions.0.…" → "mid_block",
// "text_model.encoder.…" → "text_model"
inline std::string block_of(const std::string& path) {
  const size_t first = path.find('.');
  if (first == std::string::npos || first + 1 == path.size() || std::isdigit(path[first + 1]) == 0)
    return path.substr(0, first);
  return path.substr(0, path.find('.', first + 1));
}

}  // namespace sdlora::lora
