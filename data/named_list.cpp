#include "data/named_list.h"

#include <algorithm>

#include <fmt/format.h>

namespace sdlora::data {

std::string named_list(const std::vector<std::string>& entries, size_t most_named) {
  std::string text;
  const size_t named = std::min(entries.size(), most_named);
  for (size_t entry = 0; entry < named; ++entry) text += "\n    " + entries[entry];
  if (entries.size() > named) text += fmt::format("\n    … and {} more", entries.size() - named);
  return text;
}

std::string named_list(const std::vector<SkippedImage>& images, size_t most_named) {
  std::vector<std::string> entries;
  entries.reserve(images.size());
  for (const SkippedImage& image : images) entries.push_back(image.source + ": " + image.reason);
  return named_list(entries, most_named);
}

}  // namespace sdlora::data
