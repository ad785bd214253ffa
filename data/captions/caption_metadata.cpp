#include "data/captions/caption_metadata.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/error.h"
#include "common/shown_text.h"
#include "data/captions/caption_list.h"

namespace sdlora::data {
namespace {

namespace fs = std::filesystem;

constexpr size_t kShownBytes = 100;  // of a caption, in a message

std::string shown(const std::vector<std::string>& texts) {
  return "\"" + shown_line(fmt::format("{}", fmt::join(texts, "\", \"")), kShownBytes) + "\"";
}

}  // namespace

std::vector<std::string> CaptionMetadata::texts_of(const std::string& source) {
  const fs::path path(source);
  for (fs::path folder = path.parent_path();; folder = folder.parent_path()) {
    const Texts& texts = texts_in(folder);
    const fs::path name = folder.empty() ? path : path.lexically_relative(folder);
    if (const auto entry = texts.find(name.generic_string()); entry != texts.end()) return entry->second;
    if (folder.empty()) return {};
  }
}

const CaptionMetadata::Texts& CaptionMetadata::texts_in(const fs::path& folder) {
  const auto [entry, is_new] = texts_by_folder_.try_emplace(folder.generic_string());
  Texts& texts = entry->second;
  if (!is_new) return texts;
  const std::optional<fs::path> list = caption_list_in(root_ / folder);
  if (!list) return texts;
  for (const CaptionLine& line : read_caption_list(*list, column_)) {
    const std::string name = fs::path(line.file_name).lexically_normal().string();
    const auto [known, is_first] = texts.try_emplace(name, line.texts);
    if (!is_first && known->second != line.texts)
      throw Error(ExitCode::kBadData,
                  {.what = "a list of captions has two texts for a picture",
                   .expected = shown(known->second),
                   .seen = fmt::format("a second text for {}: {}", name, shown(line.texts)),
                   .where = place_in_list(*list, line.number)});
  }
  return texts;
}

}  // namespace sdlora::data
