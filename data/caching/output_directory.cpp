#include "data/caching/output_directory.h"

#include <algorithm>
#include <set>
#include <string_view>

#include "common/atomic_file.h"
#include "common/error.h"
#include "monitoring/metrics/scrape_endpoints.h"

namespace sdlora::data {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLockName = ".cache_latents.lock";
constexpr std::chrono::milliseconds kNoPatience{0};
constexpr std::string_view kPreviousSuffix = ".previous";
constexpr std::string_view kPartialSuffix = ".partial";

void check_done(const std::error_code& error, const char* what, const fs::path& path) {
  if (error) throw Error(ExitCode::kIo, {.what = what, .seen = error.message(), .where = path.string()});
}

// A shard or the text file, finished.
bool is_data_name(const std::string& name) {
  return name == kTextFileName || (name.starts_with("shard-") && name.ends_with(".h5"));
}

// Data files, the same put aside or in part, and the temporary names of common/atomic_file.h.
bool is_ours(const std::string& name) {
  const size_t mark = name.starts_with('.') ? name.find(kTemporaryMark) : std::string::npos;
  if (mark != std::string::npos) {
    const std::string plain = name.substr(1, mark - 1);
    return is_ours(plain) || plain == kManifestName || plain == kJournalName ||
           plain == monitoring::kMetricsTargetsFile;
  }
  for (const std::string_view suffix : {kPreviousSuffix, kPartialSuffix})
    if (name.ends_with(suffix)) return is_data_name(name.substr(0, name.size() - suffix.size()));
  return is_data_name(name);
}

std::vector<fs::path> list_files(const fs::path& directory) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error))
    files.push_back(entry->path());
  check_done(error, "cannot list the cache directory", directory);
  std::sort(files.begin(), files.end());
  return files;
}

void remove_file(const fs::path& file) {
  std::error_code error;
  fs::remove(file, error);
  check_done(error, "cannot remove a file", file);
}

}  // namespace

std::string previous_name(const std::string& name) {
  std::string previous = name;
  previous += kPreviousSuffix;
  return previous;
}

std::string partial_name(const std::string& name) {
  std::string partial = name;
  partial += kPartialSuffix;
  return partial;
}

OutputDirectory::OutputDirectory(fs::path directory)
    : directory_(std::move(directory)),
      lock_(directory_ / kLockName, "cache_latents", kNoPatience),
      record_(read_record(directory_)) {
  remove_damaged(directory_, record_);
}

void OutputDirectory::begin_rebuild(const CachePlan& plan) {
  std::set<std::string> kept;
  for (const PlannedShard& shard : plan.shards)
    if (shard.is_kept) kept.insert(shard.file_name);
  if (plan.is_text_kept) kept.insert(kTextFileName);
  std::vector<std::string> to_put_aside;
  for (const auto& [name, file] : record_.files)
    if (is_data_name(name) && !kept.contains(name)) to_put_aside.push_back(name);

  // Known by both names while they are renamed, so that a kill between two steps loses nothing.
  for (const std::string& name : to_put_aside) {
    ManifestFile aside = record_.files.at(name);
    aside.name = previous_name(name);
    record_.add(aside);
  }
  write_journal(directory_, record_);
  remove_file(directory_ / kManifestName);
  for (const std::string& name : to_put_aside) {
    std::error_code error;
    fs::rename(directory_ / name, directory_ / previous_name(name), error);
    check_done(error, "cannot put an old file aside", directory_ / name);
    record_.files.erase(name);
  }
  for (const fs::path& file : list_files(directory_)) {
    const std::string name = file.filename().string();
    if (is_ours(name) && !record_.files.contains(name)) remove_file(file);
  }
}

void OutputDirectory::add_finished(const ManifestFile& file, const std::vector<SkippedImage>& left_out) {
  record_.add(file);
  for (const SkippedImage& image : left_out) record_.left_out[image.source] = image.reason;
  write_journal(directory_, record_);
}

bool OutputDirectory::finish(const Manifest& manifest) {
  std::set<std::string> wanted{manifest.text.name};
  for (const ManifestFile& shard : manifest.shards) wanted.insert(shard.name);
  for (const fs::path& file : list_files(directory_)) {
    const std::string name = file.filename().string();
    if (is_ours(name) && !wanted.contains(name)) remove_file(file);
  }
  const std::string text = to_json_text(manifest);
  const fs::path file = directory_ / kManifestName;
  std::error_code error;
  const bool is_same = fs::exists(file, error) && read_text(file) == text;
  if (!is_same) write_text_atomically(file, text);
  remove_file(directory_ / kJournalName);
  return !is_same;
}

}  // namespace sdlora::data
