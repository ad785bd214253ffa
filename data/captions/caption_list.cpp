#include "data/captions/caption_list.h"

#include <algorithm>
#include <functional>
#include <sstream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/atomic_file.h"
#include "common/error.h"
#include "common/json_text.h"
#include "common/utf8.h"
#include "data/captions/csv_rows.h"
#include "data/images/image_folder.h"

namespace sdlora::data {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFileNameColumn = "file_name";

bool is_csv(const fs::path& list) {
  return list.extension() == ".csv";
}

using Texts = std::vector<std::string>;
// A line of either kind: what it has under a name, one text or a list. Empty where it has no such texts.
using Member = std::function<Texts(const std::string& name)>;
// Called with each line's number and its members, or with why it has none.
using See = std::function<void(int64_t number, const Member& member, const std::string& flaw)>;

void see_json_lines(const std::string& text, const See& see) {
  std::istringstream lines(text);
  int64_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    const nlohmann::json object = parse_json_or_discard(line);
    const Member member = [&object](const std::string& name) -> Texts {
      const auto found = object.find(name);
      if (found == object.end()) return {};
      if (found->is_string()) return {found->get<std::string>()};
      const bool are_texts =
          found->is_array() &&
          std::all_of(found->begin(), found->end(), [](const auto& entry) { return entry.is_string(); });
      return are_texts ? found->get<Texts>() : Texts();
    };
    see(number, member, object.is_object() ? "" : "not a JSON object");
  }
}

void see_csv_rows(const std::string& text, const See& see) {
  const CsvRows csv = csv_rows(without_byte_order_mark(text));  // spreadsheets write one
  const Member none = [](const std::string&) { return Texts(); };
  for (size_t row = 1; row < csv.rows.size(); ++row) {
    const std::vector<std::string>& names = csv.rows[0];
    const std::vector<std::string>& fields = csv.rows[row];
    const Member member = [&](const std::string& name) -> Texts {
      const auto column = std::find(names.begin(), names.end(), name);
      const auto place = static_cast<size_t>(column - names.begin());
      if (column == names.end() || place >= fields.size()) return {};
      return {fields[place]};
    };
    const bool has_more = fields.size() > names.size();
    see(static_cast<int64_t>(row) + 1, member,
        has_more ? fmt::format("{} fields below {} names", fields.size(), names.size()) : "");
  }
  if (!csv.flaw.empty()) see(static_cast<int64_t>(csv.rows.size()) + 1, none, csv.flaw);
}

void see_lines(const fs::path& list, const See& see) {
  const std::string text = read_text(list);
  is_csv(list) ? see_csv_rows(text, see) : see_json_lines(text, see);
}

[[noreturn]] void fail(const fs::path& list, int64_t number, const std::string& seen) {
  const char* expected = is_csv(list)
                             ? "a first row with file_name and text (or --caption-column's name), and "
                               "both in each row"
                             : R"({"file_name": "a.jpg", "text": "a caption"} or ["one", "another"], or )"
                               R"(--caption-column's name for "text")";
  throw Error(ExitCode::kBadData, {.what = "a line of " + list.filename().string() + " cannot be used",
                                   .expected = expected,
                                   .seen = seen,
                                   .where = place_in_list(list, number)});
}

}  // namespace

std::string place_in_list(const fs::path& list, int64_t number) {
  return fmt::format("{}, {} {}", list.string(), is_csv(list) ? "row" : "line", number);
}

std::optional<fs::path> caption_list_in(const fs::path& folder) {
  std::optional<fs::path> list;
  for (const char* name : kCaptionListNames) {
    std::error_code error;
    if (!fs::is_regular_file(folder / name, error)) continue;
    if (list)
      throw Error(ExitCode::kBadData, {.what = "a folder has two lists of captions",
                                       .expected = "metadata.jsonl or metadata.csv",
                                       .seen = "both",
                                       .where = folder.string(),
                                       .advice = "take one away"});
    list = folder / name;
  }
  return list;
}

std::vector<CaptionLine> read_caption_list(const fs::path& list, const std::string& column) {
  std::vector<CaptionLine> lines;
  see_lines(list, [&](int64_t number, const Member& member, const std::string& flaw) {
    if (!flaw.empty()) fail(list, number, flaw);
    const auto texts_of = [&](const std::string& name) {
      Texts texts = member(name);
      if (texts.empty()) fail(list, number, fmt::format("no text \"{}\"", name));
      return texts;
    };
    lines.push_back(
        {.number = number, .file_name = texts_of(kFileNameColumn).front(), .texts = texts_of(column)});
  });
  return lines;
}

std::vector<std::string> file_names_in(const fs::path& list) {
  std::vector<std::string> names;
  see_lines(list, [&](int64_t /*number*/, const Member& member, const std::string& flaw) {
    const Texts name = flaw.empty() ? member(kFileNameColumn) : Texts();
    if (!name.empty()) names.push_back(name.front());
  });
  return names;
}

}  // namespace sdlora::data
