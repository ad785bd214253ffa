// A list for a message: the first entries, and how many more there are.
#pragma once

#include <string>
#include <vector>

namespace sdlora {

// One entry per line, each line indented; "… and 17 more" after `most_named`.
std::string indented_list(const std::vector<std::string>& entries, size_t most_named = 20);

}  // namespace sdlora
