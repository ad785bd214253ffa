#include "data/caching/output_directory.h"

#include <algorithm>

#include <fmt/format.h>

#include "common/atomic_file.h"
#include "common/error.h"
#include "common/log.h"
#include "data/shards/file_probe.h"
#include "monitoring/metrics/scrape_endpoints.h"

namespace sdlora::data {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::milliseconds kNoPatience{0};

void check_done(const std::error_code& error, const char* what, const fs::path& path) {
  if (error) throw Error(ExitCode::kIo, {.what = what, .seen = error.message(), .where = path.string()});
}

void remove_file(const fs::path& file) {
  std::error_code error;
  fs::remove(file, error);
  check_done(error, "cannot remove a file", file);
}

fs::path surveyed(fs::path directory) {
  survey_output(directory, read_record(directory));
  return directory;
}

}  // namespace

OutputDirectory::OutputDirectory(fs::path directory, const std::function<void()>& between_pieces)
    : directory_(surveyed(std::move(directory))),
      lock_(directory_ / kLockName, "cache_latents", kNoPatience),
      record_(read_record(directory_)) {
  remove_damaged(directory_, record_, between_pieces);
  const OutputSurvey survey = survey_output(directory_, record_);  // again: now nobody else is at work
  ours_ = survey.ours;
  if (!survey.newer_files.empty())
    record_.newest_format = std::max(record_.newest_format, kFormatVersion + 1);
  take_in_unvouched(survey.unvouched, between_pieces);
}

// What is not whole is removed when something is made in its place.
void OutputDirectory::take_in_unvouched(const std::set<std::string>& names,
                                        const std::function<void()>& between_pieces) {
  int64_t picture_count = 0;
  int64_t shard_count = 0;
  for (const std::string& name : names) {
    if (between_pieces) between_pieces();
    const bool is_text = finished_name(name) == kTextFileName;
    const auto rows = row_count_of_whole_file(
        directory_ / name, is_text ? CacheFileKind::kText : CacheFileKind::kShard, between_pieces);
    if (!rows) {
      log::warning(fmt::format("{} is damaged, and of no use", (directory_ / name).string()));
      continue;
    }
    record_.add(describe_file(directory_ / name, *rows, between_pieces));
    if (is_text) continue;
    picture_count += *rows;
    ++shard_count;
  }
  if (names.empty()) return;
  const std::string reason = record_.manifest_flaw.empty()
                                 ? fmt::format("{} does not name all shards", kManifestName)
                                 : record_.manifest_flaw;
  log::warning(fmt::format("{}: {}: {} pictures taken from {} shards by their own hashes",
                           directory_.string(), reason, picture_count, shard_count));
}

void OutputDirectory::begin_rebuild(const CachePlan& plan, bool replaces_another) {
  std::set<std::string> kept;
  for (const PlannedShard& shard : plan.shards)
    if (shard.is_kept) kept.insert(shard.file_name);
  if (plan.is_text_kept) kept.insert(kTextFileName);
  std::vector<std::string> to_put_aside;
  for (const auto& [name, file] : record_.files)
    if (is_finished_data_name(name) && !kept.contains(name)) to_put_aside.push_back(name);

  // Known by both names while they are renamed, so that a kill between two steps loses nothing.
  for (const std::string& name : to_put_aside) {
    ManifestFile aside = record_.files.at(name);
    aside.name = previous_name(name);
    record_.add(aside);
    ours_.insert(aside.name);
  }
  record_.settings = plan.settings;
  record_.format_version = plan.format_version();
  record_.replaces_another |= replaces_another;
  ours_.insert(kJournalName);
  write_journal(directory_, record_);
  remove_file(directory_ / kManifestName);
  for (const std::string& name : to_put_aside) {
    std::error_code error;
    fs::rename(directory_ / name, directory_ / previous_name(name), error);
    check_done(error, "cannot put an old file aside", directory_ / name);
    record_.files.erase(name);
  }
  std::set<std::string> of_use{kJournalName, kLockName, kScanName, monitoring::kMetricsTargetsFile};
  for (const auto& [name, file] : record_.files) of_use.insert(name);
  remove_ours_but(of_use);
}

void OutputDirectory::add_finished(const ManifestFile& file, const std::vector<SkippedImage>& left_out) {
  record_.add(file);
  ours_.insert(file.name);
  for (const SkippedImage& image : left_out) record_.left_out[image.source] = image.reason;
  write_journal(directory_, record_);
}

void OutputDirectory::forget_scan() const {
  std::error_code ignored;
  fs::remove(directory_ / kScanName, ignored);
}

bool OutputDirectory::finish(const Manifest& manifest) {
  std::set<std::string> wanted{
      kManifestName, kJournalName, kLockName, kScanName, monitoring::kMetricsTargetsFile, manifest.text.name};
  for (const ManifestFile& shard : manifest.shards) wanted.insert(shard.name);
  remove_ours_but(wanted);
  const std::string text = to_json_text(manifest);
  const fs::path file = directory_ / kManifestName;
  std::error_code error;
  const bool is_same = fs::exists(file, error) && read_text(file) == text;
  if (!is_same) write_text_atomically(file, text);
  remove_file(directory_ / kJournalName);
  return !is_same;
}

void OutputDirectory::remove_ours_but(const std::set<std::string>& kept) {
  for (const std::string& name : ours_)
    if (!kept.contains(name)) remove_file(directory_ / name);
  std::erase_if(ours_, [&](const std::string& name) { return !kept.contains(name); });
}

}  // namespace sdlora::data
