#include "checkpoint/user_memory.h"

#include <cstdlib>

namespace sdlora::checkpoint {
namespace {

namespace fs = std::filesystem;

// A directory that the environment names; empty when it does not.
fs::path folder_from(const char* variable) {
  const char* value = std::getenv(variable);
  return value == nullptr ? "" : value;
}

}  // namespace

fs::path memory_of_this_user(const std::string& name) {
  if (const fs::path home = folder_from("SDLORA_HOME"); !home.empty()) return home / name;
  if (const fs::path home = folder_from("HOME"); !home.empty()) return home / ".cache/sdlora" / name;
  return {};
}

}  // namespace sdlora::checkpoint
