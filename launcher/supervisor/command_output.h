// What other programs say.
#pragma once

#include <string>

namespace sdlora::launcher {

// What a command prints, its lines joined by "; "; empty when it cannot be run or fails.
std::string output_of(const std::string& command);

}  // namespace sdlora::launcher
