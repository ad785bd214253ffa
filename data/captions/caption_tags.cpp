#include "data/captions/caption_tags.h"

#include <sstream>

#include "common/trimmed.h"

namespace sdlora::data {

std::set<std::string> caption_tags(const std::string& caption) {
  std::set<std::string> tags;
  std::istringstream parts(caption);
  for (std::string part; std::getline(parts, part, ',');)
    if (std::string tag = trimmed(part); !tag.empty()) tags.insert(std::move(tag));
  return tags;
}

}  // namespace sdlora::data
