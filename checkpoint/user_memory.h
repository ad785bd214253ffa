// Where this user's programs remember what is dear to compute again.
#pragma once

#include <filesystem>
#include <string>

namespace sdlora::checkpoint {

// ${SDLORA_HOME:-~/.cache/sdlora}/NAME; empty without a home.
std::filesystem::path memory_of_this_user(const std::string& name);

}  // namespace sdlora::checkpoint
