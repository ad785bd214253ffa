#include "data/captions/caption_metadata.h"

#include <sstream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/atomic_file.h"
#include "common/error.h"
#include "common/json_text.h"

namespace sdlora::data {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFileName = "metadata.jsonl";

[[noreturn]] void fail(const fs::path& file, int64_t line_number, const std::string& seen) {
  throw Error(ExitCode::kBadData,
              {.what = "a line of metadata.jsonl cannot be used",
               .expected = R"({"file_name": "a.jpg", "text": "a caption"}, or --caption-column's name)"
                           R"( for "text")",
               .seen = seen,
               .where = fmt::format("{}, line {}", file.string(), line_number)});
}

std::string text_member(const nlohmann::json& object, const std::string& key, const fs::path& file,
                        int64_t line_number) {
  const auto member = object.find(key);
  if (member == object.end() || !member->is_string())
    fail(file, line_number, fmt::format("no text \"{}\"", key));
  return member->get<std::string>();
}

}  // namespace

std::optional<std::string> CaptionMetadata::text_of(const std::string& source) {
  const fs::path path(source);
  for (fs::path folder = path.parent_path();; folder = folder.parent_path()) {
    const Texts& texts = texts_in(folder);
    const fs::path name = folder.empty() ? path : path.lexically_relative(folder);
    if (const auto entry = texts.find(name.generic_string()); entry != texts.end()) return entry->second;
    if (folder.empty()) return std::nullopt;
  }
}

const CaptionMetadata::Texts& CaptionMetadata::texts_in(const fs::path& folder) {
  const auto [entry, is_new] = texts_by_folder_.try_emplace(folder.generic_string());
  Texts& texts = entry->second;
  const fs::path file = root_ / folder / kFileName;
  std::error_code error;
  if (!is_new || !fs::is_regular_file(file, error)) return texts;

  std::istringstream lines(read_text(file));
  int64_t line_number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++line_number;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    const nlohmann::json object = parse_json_or_discard(line);
    if (!object.is_object()) fail(file, line_number, "not a JSON object");
    const std::string name =
        fs::path(text_member(object, "file_name", file, line_number)).lexically_normal().string();
    const std::string text = text_member(object, column_, file, line_number);
    const auto [known, is_first] = texts.try_emplace(name, text);
    if (!is_first && known->second != text) fail(file, line_number, "a second text for " + name);
  }
  return texts;
}

}  // namespace sdlora::data
