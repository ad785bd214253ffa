#include "monitoring/fact.h"

#include <algorithm>
#include <sstream>

#include <fmt/format.h>

namespace sdlora::monitoring {

std::vector<std::string> table_of(const std::vector<Fact>& facts) {
  size_t name_width = 0;
  for (const Fact& fact : facts) name_width = std::max(name_width, fact.name.size());
  std::vector<std::string> lines;
  for (const Fact& fact : facts) {
    std::istringstream texts(fact.text);
    std::string name = fact.name;
    for (std::string text; std::getline(texts, text); name.clear())
      lines.push_back(fmt::format("{:<{}}  {}", name, name_width, text));
  }
  return lines;
}

}  // namespace sdlora::monitoring
