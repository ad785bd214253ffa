#include "lora/left_out.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "checkpoint/printable.h"

namespace sdlora::lora {

std::string describe(const LeftOut& left_out) {
  constexpr size_t kNamesShown = 3;
  std::vector<std::string> kinds;
  for (const auto& [kind, names] : left_out) {
    std::vector<std::string> shown;
    for (size_t i = 0; i < std::min(names.size(), kNamesShown); ++i)
      shown.push_back(checkpoint::printable(names[i]));
    if (names.size() > kNamesShown) shown.push_back("…");
    kinds.push_back(
        fmt::format("{} of {} ({})", names.size(), checkpoint::printable(kind), fmt::join(shown, ", ")));
  }
  return fmt::format("{}", fmt::join(kinds, "; "));
}

}  // namespace sdlora::lora
