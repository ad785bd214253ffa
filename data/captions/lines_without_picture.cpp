#include "data/captions/lines_without_picture.h"

#include <unordered_set>

#include <fmt/format.h>

#include "common/error.h"
#include "data/captions/caption_list.h"

namespace sdlora::data {

std::vector<std::string> lines_without_picture(const std::filesystem::path& folder,
                                               const FoundImages& found) {
  std::unordered_set<std::string> there(found.sources.begin(), found.sources.end());
  for (const SkippedImage& image : found.skipped) there.insert(image.source);
  for (const SkippedImage& image : found.passed_over) there.insert(image.source);
  std::vector<std::string> lost;
  for (const std::string& list : found.caption_lists) {
    std::vector<std::string> names;
    try {
      names = file_names_in(folder / list);
    } catch (const Error&) {
      lost.push_back(list + ": cannot be read");
    }
    for (const std::string& name : names) {
      const std::filesystem::path source = std::filesystem::path(list).parent_path() / name;
      if (!there.contains(source.lexically_normal().generic_string()))
        lost.push_back(fmt::format("{}: {}", list, name));
    }
  }
  return lost;
}

}  // namespace sdlora::data
