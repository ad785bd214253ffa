#include "data/captions/captions.h"

#include <sstream>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/atomic_file.h"
#include "common/error.h"
#include "common/text_list.h"
#include "common/trimmed.h"
#include "common/utf8.h"
#include "data/captions/caption_metadata.h"
#include "data/images/image_folder.h"

namespace sdlora::data {
namespace {

namespace fs = std::filesystem;

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

// ".txt", with the dot whether it was there or not.
std::vector<std::string> extensions_in(const std::string& list) {
  std::vector<std::string> extensions;
  std::istringstream parts(list);
  for (std::string part; std::getline(parts, part, ',');) {
    const std::string name = trimmed(part);
    if (name.empty() || name == ".") continue;
    extensions.push_back(name.starts_with('.') ? name : "." + name);
  }
  if (extensions.empty())
    throw Error(ExitCode::kUsage, {.what = "--caption-extension names no extension",
                                   .expected = "one or more, separated by commas: .txt,.caption",
                                   .seen = fmt::format("\"{}\"", list)});
  return extensions;
}

// The first that is there, also as a link that leads nowhere.
std::optional<fs::path> text_file_beside(const fs::path& image, const std::vector<std::string>& extensions) {
  for (const std::string& extension : extensions) {
    fs::path file = image;
    file.replace_extension(extension);
    std::error_code error;
    if (fs::is_regular_file(file, error) || is_broken_link(file)) return file;
  }
  return std::nullopt;
}

void add_if_any(const std::optional<std::string>& caption, std::vector<std::string>& captions) {
  if (caption) captions.push_back(*caption);
}

}  // namespace

int64_t CaptionTable::row_of(const std::string& caption) {
  const auto [row, is_new] = rows_.try_emplace(caption, static_cast<int64_t>(captions_.size()));
  if (is_new) captions_.push_back(caption);
  return row->second;
}

ImageCaptions find_captions(const fs::path& folder, const std::vector<std::string>& sources,
                            const CaptionPlaces& places, CaptionTable& table,
                            const std::function<void()>& between_images) {
  ImageCaptions found;
  const std::vector<std::string> extensions = extensions_in(places.extensions);
  CaptionMetadata metadata(folder, places.column);
  std::vector<std::string> missing;
  std::vector<std::string> flawed;
  for (const std::string& source : sources) {
    if (between_images) between_images();
    const std::optional<fs::path> text_file = text_file_beside(folder / source, extensions);
    if (text_file && is_broken_link(*text_file)) {
      flawed.push_back(fmt::format("{}: its {} is a broken link", source, text_file->extension().string()));
      continue;
    }
    std::vector<std::string> captions =
        text_file ? std::vector{read_text(*text_file)} : metadata.texts_of(source);
    const bool are_of_its_own = !captions.empty();
    if (captions.empty() && places.of_folder) add_if_any(places.of_folder(source), captions);
    if (captions.empty()) add_if_any(places.for_the_rest, captions);
    if (captions.empty()) {
      missing.push_back(source);
      continue;
    }
    std::vector<int64_t>& rows = found.rows_of_image.emplace_back();
    bool is_any_empty = false;
    for (const std::string& caption : captions) {
      const std::string text = trimmed(without_byte_order_mark(caption));
      if (const std::string flaw = flaw_of(text); !flaw.empty())
        flawed.push_back(fmt::format("{}: {}", source, flaw));
      is_any_empty = is_any_empty || text.empty();
      rows.push_back(table.row_of(text));
    }
    if (are_of_its_own && is_any_empty) found.emptied_images.push_back(source);
  }
  if (!missing.empty())
    throw Error(
        ExitCode::kBadData,
        {.what = fmt::format("{} of {} images have no caption", missing.size(), sources.size()),
         .expected = fmt::format("NAME{} beside NAME.jpg, a line in metadata.jsonl or metadata.csv, {}",
                                 fmt::join(extensions, " or NAME"), places.last_way),
         .seen = indented_list(missing),
         .where = folder.string()});
  if (!flawed.empty())
    throw Error(ExitCode::kBadData,
                {.what = fmt::format("{} captions cannot be used", flawed.size()),
                 .expected = fmt::format("UTF-8 text of at most {} KiB", kLongestCaptionBytes >> 10),
                 .seen = indented_list(flawed),
                 .where = folder.string()});
  return found;
}

}  // namespace sdlora::data
