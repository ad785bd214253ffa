#include "data/captions/lines_without_picture.h"

#include <sstream>
#include <unordered_set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/atomic_file.h"
#include "common/error.h"
#include "common/json_text.h"

namespace sdlora::data {

std::vector<std::string> lines_without_picture(const std::filesystem::path& folder,
                                               const FoundImages& found) {
  std::unordered_set<std::string> there(found.sources.begin(), found.sources.end());
  for (const SkippedImage& image : found.skipped) there.insert(image.source);
  for (const SkippedImage& image : found.passed_over) there.insert(image.source);
  std::vector<std::string> lost;
  for (const std::string& list : found.caption_lists) {
    std::istringstream lines;
    try {
      lines.str(read_text(folder / list));
    } catch (const Error&) {
      lost.push_back(list + ": cannot be read");
    }
    for (std::string line; std::getline(lines, line);) {
      const nlohmann::json object = parse_json_or_discard(line);
      if (!object.is_object() || !object.contains("file_name") || !object["file_name"].is_string()) continue;
      const auto name = object["file_name"].get<std::string>();
      const std::filesystem::path source = std::filesystem::path(list).parent_path() / name;
      if (!there.contains(source.lexically_normal().generic_string()))
        lost.push_back(fmt::format("{}: {}", list, name));
    }
  }
  return lost;
}

}  // namespace sdlora::data
