#include "common/text_list.h"

#include <algorithm>

#include <fmt/format.h>

#include "common/shown_text.h"

namespace sdlora {
namespace {

constexpr size_t kLongestEntry = 1'000;  // bytes: one must not hide the others

}  // namespace

std::string indented_list(const std::vector<std::string>& entries, size_t most_named) {
  std::string text;
  const size_t named = std::min(entries.size(), most_named);
  for (size_t entry = 0; entry < named; ++entry)
    text += "\n    " + shown_lines(entries[entry], kLongestEntry);
  if (entries.size() > named) text += fmt::format("\n    … and {} more", entries.size() - named);
  return text;
}

}  // namespace sdlora
