#include "data/caching/output_survey.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/atomic_file.h"
#include "common/error.h"
#include "common/json_text.h"
#include "common/text_list.h"
#include "data/caching/scan_memory.h"
#include "data/shards/file_probe.h"
#include "monitoring/records/run_files.h"

namespace sdlora::data {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr uintmax_t kMostJsonBytes = uintmax_t{256} << 20;
constexpr std::string_view kManifestMark = R"("sdlora latent cache")";

// Empty for a file larger than any of ours.
std::string text_of_small_file(const fs::path& file) {
  std::error_code error;
  const uintmax_t bytes = fs::file_size(file, error);
  return error || bytes > kMostJsonBytes ? std::string() : read_text(file);
}

// Cut or overwritten with rubbish, as a broken disk or copy leaves it.
bool is_rubbish_beside_our_data(const std::string& text, bool has_our_data) {
  return has_our_data && !Json::accept(text);
}

bool is_our_manifest(const std::string& text, bool has_our_data) {
  const Json json = parse_json_or_discard<Json>(text);
  if (json.is_discarded())
    return text.find(kManifestMark) != std::string::npos || is_rubbish_beside_our_data(text, has_our_data);
  return json.is_object() && json.value("format", Json()) == "sdlora latent cache";
}

bool is_our_journal(const std::string& text, bool has_our_data) {
  const Json json = parse_json_or_discard<Json>(text);
  if (json.is_discarded()) return is_rubbish_beside_our_data(text, has_our_data);
  return json.is_object() && json.contains("files") && json.contains("left_out");
}

bool is_our_target_list(const std::string& text) {
  const Json json = parse_json_or_discard<Json>(text);
  return json.is_array() && std::all_of(json.begin(), json.end(), [](const Json& group) {
           return group.is_object() && group.contains("labels") && group["labels"].is_object() &&
                  group["labels"].value("job", Json()) == "sdlora";
         });
}

bool is_our_scan(const std::string& text, bool has_our_data) {
  const Json json = parse_json_or_discard<Json>(text);
  if (json.is_discarded()) return is_rubbish_beside_our_data(text, has_our_data);
  return json.is_object() && json.value("format", Json()) == kScanFormat;
}

bool is_our_lock(const std::string& text) {
  return text.empty() || text.starts_with("cache_latents, process ");
}

class Surveyor {
 public:
  Surveyor(const fs::path& directory, const CacheRecord& record) : directory_(directory), record_(record) {}

  OutputSurvey survey() {
    const std::vector<fs::directory_entry> entries = list();
    for (const fs::directory_entry& entry : entries)
      if (kind_of_name(entry.path().filename()) == NameKind::kData) look_at_data(entry);
    has_our_data_ = !survey_.ours.empty();
    for (const fs::directory_entry& entry : entries)
      if (kind_of_name(entry.path().filename()) != NameKind::kData) look_at_other(entry);
    if (!foreign_.empty()) refuse();
    return std::move(survey_);
  }

 private:
  std::vector<fs::directory_entry> list() const {
    std::vector<fs::directory_entry> entries;
    std::error_code error;
    if (fs::status(directory_, error).type() == fs::file_type::not_found) return {};
    for (fs::directory_iterator entry(directory_, error), end; !error && entry != end; entry.increment(error))
      entries.push_back(*entry);
    if (error == std::errc::not_a_directory) return {};  // said by who makes the directory
    if (error)
      throw Error(
          ExitCode::kIo,
          {.what = "cannot list the cache directory", .seen = error.message(), .where = directory_.string()});
    std::sort(entries.begin(), entries.end());
    return entries;
  }

  // Whether it is a file at all; a link or a folder of one of our names is in the way.
  bool is_plain_file(const fs::directory_entry& entry) {
    std::error_code error;
    const fs::file_type type = entry.symlink_status(error).type();
    if (type == fs::file_type::regular) return true;
    if (type == fs::file_type::not_found) return false;  // gone meanwhile
    add_foreign(entry, type == fs::file_type::symlink     ? "a link"
                       : type == fs::file_type::directory ? "a folder"
                                                          : "not a plain file");
    return false;
  }

  void look_at_data(const fs::directory_entry& entry) {
    const std::string name = entry.path().filename();
    if (!is_plain_file(entry)) return;
    if (!record_.files.contains(name)) {
      const std::optional<int64_t> format = cache_format_of(entry.path());
      if (!format) return add_foreign(entry, "not a file of a cache, or too damaged to tell");
      survey_.unvouched.insert(name);
      if (*format > kFormatVersion) survey_.newer_files.insert(name);
    }
    survey_.ours.insert(name);
  }

  void look_at_other(const fs::directory_entry& entry) {
    const std::string name = entry.path().filename();
    const NameKind kind = kind_of_name(name);
    if (kind == NameKind::kForeign || !is_plain_file(entry)) return;
    if (kind != NameKind::kTemporary && !is_ours(kind, text_of_small_file(entry.path())))
      return add_foreign(entry, "not written by cache_latents");
    survey_.ours.insert(name);
  }

  bool is_ours(NameKind kind, const std::string& text) const {
    switch (kind) {
      case NameKind::kManifest:
        return is_our_manifest(text, has_our_data_);
      case NameKind::kJournal:
        return is_our_journal(text, has_our_data_);
      case NameKind::kTargets:
        return is_our_target_list(text) && (text.starts_with("[]") || !is_run_directory());
      case NameKind::kLock:
        return is_our_lock(text);
      case NameKind::kScan:
        return is_our_scan(text, has_our_data_);
      default:
        return false;
    }
  }

  // A training's list of endpoints looks like ours.
  bool is_run_directory() const {
    std::error_code error;
    return fs::exists(directory_ / monitoring::kLockFileName, error);
  }

  void add_foreign(const fs::directory_entry& entry, const char* reason) {
    foreign_.push_back(fmt::format("{}: {}", entry.path().filename().string(), reason));
  }

  [[noreturn]] void refuse() const {
    throw Error(ExitCode::kUsage,
                {.what = "the output directory holds what cache_latents did not make and would replace",
                 .expected = "an empty directory, a cache, or files of other names",
                 .seen = indented_list(foreign_),
                 .where = directory_.string(),
                 .advice = "choose another --output, or move these away; nothing was changed"});
  }

  const fs::path& directory_;
  const CacheRecord& record_;
  OutputSurvey survey_;
  bool has_our_data_ = false;
  std::vector<std::string> foreign_;
};

}  // namespace

OutputSurvey survey_output(const fs::path& directory, const CacheRecord& record) {
  return Surveyor(directory, record).survey();
}

}  // namespace sdlora::data
