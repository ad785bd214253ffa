#include "data/caching/cache_record.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/atomic_file.h"
#include "common/error.h"
#include "common/json_text.h"
#include "common/log.h"
#include "data/caching/settings_json.h"

namespace sdlora::data {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

// A manifest that names other files was not written by us, and gives us no say over them.
void add_ours(const ManifestFile& file, CacheRecord& record) {
  if (kind_of_name(file.name) == NameKind::kData) record.add(file);
}

CacheRecord record_of(const Manifest& manifest) {
  CacheRecord record{
      .settings = manifest.settings, .is_finished = true, .newest_format = manifest.format_version()};
  for (const ManifestFile& shard : manifest.shards) add_ours(shard, record);
  add_ours(manifest.text, record);
  for (const SkippedImage& image : manifest.skipped) record.left_out[image.source] = image.reason;
  return record;
}

void add_journal(const Json& journal, CacheRecord& record) {
  const auto version = journal.at("format_version").get<int64_t>();
  if (version < kPlainFormatVersion || version > kFormatVersion) return;
  record.format_version = version;
  for (const Json& file : journal.at("files"))
    add_ours({.name = file.at("name"),
              .bytes = file.at("bytes"),
              .sha256 = file.at("sha256"),
              .row_count = file.at("rows")},
             record);
  record.left_out = journal.at("left_out").get<std::map<std::string, std::string>>();
  if (journal.contains("settings")) record.settings = settings_from(journal.at("settings"));
  record.replaces_another = journal.value("replaces_another", false);
}

// Of a file that may be anything: 0 where it does not say.
int64_t format_version_in(const fs::path& file) {
  std::error_code error;
  if (!fs::is_regular_file(file, error)) return 0;
  const Json json = parse_json_or_discard<Json>(read_text(file));
  const bool has_version =
      json.is_object() && json.contains("format_version") && json["format_version"].is_number_integer();
  return has_version ? json["format_version"].get<int64_t>() : 0;
}

std::string first_line_of(const std::string& text) {
  return text.substr(0, text.find('\n'));
}

std::string flaw_of_manifest(const fs::path& manifest, const Error& flaw) {
  std::error_code error;
  return fs::exists(manifest, error)
             ? fmt::format("{} cannot be read ({})", kManifestName, first_line_of(flaw.what()))
             : fmt::format("there is no {}", kManifestName);
}

}  // namespace

CacheRecord read_record(const fs::path& cache_directory) {
  CacheRecord record;
  try {
    return record_of(read_manifest(cache_directory));
  } catch (const Error& flaw) {  // not finished; the journal may know more
    if (flaw.exit_code() == ExitCode::kIo) throw;
    record.manifest_flaw = flaw_of_manifest(cache_directory / kManifestName, flaw);
  }
  const fs::path journal = cache_directory / kJournalName;
  record.newest_format =
      std::max(format_version_in(cache_directory / kManifestName), format_version_in(journal));
  std::error_code error;
  if (!fs::is_regular_file(journal, error)) return record;
  CacheRecord with_journal = record;
  try {
    add_journal(parse_json<Json>(read_text(journal)), with_journal);
    return with_journal;
  } catch (const Json::exception&) {
    return record;
  }
}

void remove_damaged(const fs::path& cache_directory, CacheRecord& record,
                    const std::function<void()>& between_pieces) {
  std::erase_if(record.files, [&](const auto& entry) {
    const fs::path file = cache_directory / entry.first;
    std::error_code error;
    if (fs::status(file, error).type() == fs::file_type::not_found) return true;
    if (error)
      throw Error(ExitCode::kIo,
                  {.what = "cannot look at a file", .seen = error.message(), .where = file.string()});
    try {
      check_file(cache_directory, entry.second, between_pieces);
      return false;
    } catch (const Error& damage) {
      if (damage.exit_code() != ExitCode::kBadData) throw;  // a stop is among these
      // Of a shard a newer one, when a run was killed between writing it and noting it down: its own checks
      // will tell. Parts of the text file are never written again.
      if (is_partial_name(entry.first) && finished_name(entry.first) != kTextFileName) return true;
      log::warning(fmt::format("{} is made anew: {}", file.string(), damage.what()));
      fs::remove(file, error);
      return true;
    }
  });
}

void write_journal(const fs::path& cache_directory, const CacheRecord& record) {
  Json json = {
      {"format_version", record.format_version}, {"files", Json::array()}, {"left_out", record.left_out}};
  for (const auto& [name, file] : record.files)
    json["files"].push_back(
        {{"name", name}, {"bytes", file.bytes}, {"sha256", file.sha256}, {"rows", file.row_count}});
  if (record.settings) json["settings"] = to_json(*record.settings);
  if (record.replaces_another) json["replaces_another"] = true;
  write_text_atomically(cache_directory / kJournalName, json.dump(1) + "\n");
}

}  // namespace sdlora::data
