#include "data/output_directory.h"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "common/error.h"

namespace sdlora::data {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLockName = ".cache_latents.lock";

void check_done(const std::error_code& error, const char* what, const fs::path& path) {
  if (error)
    throw Error(ExitCode::kIo, Problem{.what = what, .seen = error.message(), .where = path.string()});
}

bool is_shard_name(const std::string& name) {
  return name.starts_with("shard-") &&
         (name.ends_with(".h5") || name.ends_with(std::string(".h5") + kPreviousSuffix));
}

// Finished files, files put aside, and the temporary names of checkpoint/atomic_file.h.
bool is_ours(const std::string& name) {
  const bool is_temporary = name.starts_with('.') && name.find(".tmp-") != std::string::npos;
  const std::string plain = is_temporary ? name.substr(1, name.find(".tmp-") - 1) : name;
  return is_shard_name(plain) || plain == kTextFileName ||
         plain == std::string(kTextFileName) + kPreviousSuffix || (is_temporary && plain == kManifestName);
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

}  // namespace

std::vector<fs::path> list_shards(const fs::path& cache_directory) {
  std::vector<fs::path> files = list_files(cache_directory);
  std::erase_if(files, [](const fs::path& file) { return !is_shard_name(file.filename().string()); });
  return files;
}

OutputDirectory::OutputDirectory(fs::path directory) : directory_(std::move(directory)) {
  std::error_code error;
  fs::create_directories(directory_, error);
  check_done(error, "cannot create the output directory", directory_);
  const fs::path lock_file = directory_ / kLockName;
  lock_ = ::open(lock_file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (lock_ < 0)
    throw Error(ExitCode::kIo, Problem{.what = "cannot write in the output directory",
                                       .seen = system_error_text(),
                                       .where = directory_.string()});
  // File systems without locks (some network ones) go unguarded.
  if (::flock(lock_, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return;
  ::close(lock_);
  throw Error(ExitCode::kIo,
              Problem{.what = "another cache_latents is writing to this directory",
                      .where = directory_.string(),
                      .advice = "wait for it, or stop it and start again: what is done is kept"});
}

OutputDirectory::~OutputDirectory() {
  ::close(lock_);
}

void OutputDirectory::begin_rebuild(const CachePlan& plan) const {
  std::error_code error;
  fs::remove(directory_ / kManifestName, error);
  check_done(error, "cannot remove the old manifest", directory_ / kManifestName);
  std::set<std::string> kept;
  for (const PlannedShard& shard : plan.shards)
    if (shard.is_kept) kept.insert(shard.file_name);
  if (plan.is_text_kept) kept.insert(kTextFileName);
  for (const fs::path& file : list_files(directory_)) {
    const std::string name = file.filename().string();
    const bool is_finished = name == kTextFileName || (is_shard_name(name) && name.ends_with(".h5"));
    if (!is_finished || kept.contains(name)) continue;
    fs::rename(file, file.string() + kPreviousSuffix, error);
    check_done(error, "cannot put an old file aside", file);
  }
}

void OutputDirectory::remove_all_but(const std::set<std::string>& wanted) const {
  for (const fs::path& file : list_files(directory_)) {
    const std::string name = file.filename().string();
    if (!is_ours(name) || wanted.contains(name)) continue;
    std::error_code error;
    fs::remove(file, error);
    check_done(error, "cannot remove a file that is no longer needed", file);
  }
}

}  // namespace sdlora::data
