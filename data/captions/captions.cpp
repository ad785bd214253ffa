#include "data/captions/captions.h"

#include <unordered_map>

#include <fmt/format.h>

#include "common/atomic_file.h"
#include "common/error.h"
#include "common/text_list.h"
#include "data/captions/caption_metadata.h"
#include "data/images/image_folder.h"

namespace sdlora::data {
namespace {

namespace fs = std::filesystem;

constexpr size_t kLongestCaptionBytes = 16 << 10;
constexpr const char* kWhiteSpace = " \t\r\n\v\f";

std::string trimmed(std::string text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);  // byte-order mark
  text.erase(0, text.find_first_not_of(kWhiteSpace));
  text.erase(text.find_last_not_of(kWhiteSpace) + 1);
  return text;
}

// Empty for good text.
std::string flaw_of(const std::string& caption) {
  if (caption.size() > kLongestCaptionBytes) return fmt::format("{} bytes long", caption.size());
  if (caption.find('\0') != std::string::npos || valid_utf8(caption) != caption) return "not UTF-8 text";
  return "";
}

// A caption that a copy has lost must not become the common one unseen.
bool is_broken_link(const fs::path& file) {
  std::error_code error;
  return fs::is_symlink(file, error) && !fs::exists(file, error);
}

std::optional<std::string> own_caption(const fs::path& text_file, const std::string& source,
                                       CaptionMetadata& metadata) {
  std::error_code error;
  if (fs::is_regular_file(text_file, error)) return read_text(text_file);
  return metadata.text_of(source);
}

}  // namespace

CaptionTable find_captions(const fs::path& folder, const std::vector<std::string>& sources,
                           const std::optional<std::string>& caption_for_the_rest,
                           const std::function<void()>& between_images) {
  CaptionTable table{.captions = {""}, .index_of_image = {}};
  std::unordered_map<std::string, int64_t> row_of{{"", 0}};
  CaptionMetadata metadata(folder);
  std::vector<std::string> missing;
  std::vector<std::string> flawed;
  for (const std::string& source : sources) {
    if (between_images) between_images();
    const fs::path text_file = fs::path(folder / source).replace_extension(".txt");
    std::optional<std::string> caption = own_caption(text_file, source, metadata);
    const bool is_of_its_own = caption.has_value();
    if (!caption) caption = caption_for_the_rest;
    if (!caption) {
      missing.push_back(source);
      continue;
    }
    const std::string text = trimmed(*caption);
    const std::string flaw = is_broken_link(text_file) ? "its .txt is a broken link" : flaw_of(text);
    if (!flaw.empty()) flawed.push_back(fmt::format("{}: {}", source, flaw));
    const auto [row, is_new] = row_of.try_emplace(text, static_cast<int64_t>(table.captions.size()));
    if (is_of_its_own && text.empty()) table.emptied_images.push_back(source);
    if (is_new) table.captions.push_back(text);
    table.index_of_image.push_back(row->second);
  }
  if (!missing.empty())
    throw Error(ExitCode::kBadData,
                {.what = fmt::format("{} of {} images have no caption", missing.size(), sources.size()),
                 .expected = "NAME.txt beside NAME.jpg, a line in metadata.jsonl, or --training-caption TEXT",
                 .seen = indented_list(missing),
                 .where = folder.string()});
  if (!flawed.empty())
    throw Error(ExitCode::kBadData,
                {.what = fmt::format("{} captions cannot be used", flawed.size()),
                 .expected = fmt::format("UTF-8 text of at most {} KiB", kLongestCaptionBytes >> 10),
                 .seen = indented_list(flawed),
                 .where = folder.string()});
  return table;
}

}  // namespace sdlora::data
