#include "launcher/supervisor/command_output.h"

#include <array>
#include <cstdio>

namespace sdlora::launcher {

std::string output_of(const std::string& command) {
  std::FILE* pipe = ::popen(("(" + command + ") 2>/dev/null </dev/null").c_str(), "r");
  if (pipe == nullptr) return "";
  std::string text;
  std::array<char, 256> part{};
  while (std::fgets(part.data(), part.size(), pipe) != nullptr) text += part.data();
  if (::pclose(pipe) != 0) return "";
  while (!text.empty() && text.back() == '\n') text.pop_back();
  for (size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', end))
    text.replace(end, 1, "; ");
  return text;
}

}  // namespace sdlora::launcher
