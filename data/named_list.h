// A list for a message: the first entries, and how many more there are.
#pragma once

#include <string>
#include <vector>

#include "data/image_folder.h"

namespace sdlora::data {

// One entry a line, each line indented; "… and 17 more" after `most_named`.
std::string named_list(const std::vector<std::string>& entries, size_t most_named = 20);

// "source: reason" of each.
std::string named_list(const std::vector<SkippedImage>& images, size_t most_named = 20);

}  // namespace sdlora::data
