#include "checkpoint/checkpoint_store.h"

#include <algorithm>
#include <charconv>
#include <system_error>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include "checkpoint/checkpoint_manifest.h"
#include "checkpoint/safetensors.h"
#include "common/atomic_file.h"
#include "common/error.h"
#include "common/posix_file.h"

namespace sdlora::checkpoint {
namespace {

constexpr std::string_view kReplacedMark = ".replaced-";

const std::vector<std::string>& file_names() {
  static const std::vector<std::string> names = {"adapter.safetensors", "optimizer.safetensors",
                                                 "state.json"};
  return names;
}

std::filesystem::path directory_of(const std::filesystem::path& run_directory, int64_t step) {
  return run_directory / checkpoint_name(step);
}

// ".checkpoint-step-100.tmp-4711": hidden, and told apart from those of another process.
std::filesystem::path hidden_directory_of(const std::filesystem::path& run_directory, int64_t step,
                                          std::string_view mark) {
  return run_directory / fmt::format(".{}{}{}{}", kCheckpointPrefix, step, mark, ::getpid());
}

void check(const std::error_code& code, const char* what, const std::filesystem::path& path) {
  if (code) throw Error(ExitCode::kIo, {.what = what, .seen = code.message(), .where = path.string()});
}

void rename_directory(const std::filesystem::path& from, const std::filesystem::path& to) {
  std::error_code code;
  std::filesystem::rename(from, to, code);
  check(code, "cannot rename the checkpoint's directory", to);
}

void remove_directory(const std::filesystem::path& directory) {
  std::error_code code;
  std::filesystem::remove_all(directory, code);
  check(code, "cannot remove the directory", directory);
}

// Empty at first, gone in the end unless it was renamed.
class TemporaryDirectory {
 public:
  explicit TemporaryDirectory(std::filesystem::path path) : path_(std::move(path)) {
    remove_directory(path_);
    std::error_code code;
    std::filesystem::create_directory(path_, code);
    check(code, "cannot create a directory for the checkpoint", path_);
  }

  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  ~TemporaryDirectory() {
    std::error_code ignored;  // the error that brought us here is the one to report
    std::filesystem::remove_all(path_, ignored);
  }

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// The step of "<prefix><step><rest>"; empty for any other name, also for a step spelt "007".
std::optional<int64_t> step_in(std::string_view name, std::string_view prefix, std::string_view& rest) {
  if (!name.starts_with(prefix)) return std::nullopt;
  name.remove_prefix(prefix.size());
  int64_t step = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), step);
  const auto length = static_cast<size_t>(end - name.data());
  if (error != std::errc() || step < 0 || fmt::to_string(step) != name.substr(0, length)) return std::nullopt;
  rest = name.substr(length);
  return step;
}

struct Candidate {
  int64_t step;
  bool is_replaced;  // moved aside by a save that died before it finished
  std::filesystem::path directory;
};

std::vector<std::filesystem::path> entries_of(const std::filesystem::path& run_directory) {
  std::vector<std::filesystem::path> entries;
  std::error_code code;
  auto entry = std::filesystem::directory_iterator(run_directory, code);
  if (code == std::errc::no_such_file_or_directory) return entries;
  for (; !code && entry != std::filesystem::directory_iterator(); entry.increment(code)) {
    entries.push_back(entry->path());
  }
  check(code, "cannot list the run directory", run_directory);
  return entries;
}

// Newest first; of one step the finished directory before one that was moved aside.
std::vector<Candidate> candidates_in(const std::filesystem::path& run_directory) {
  std::vector<Candidate> candidates;
  for (const std::filesystem::path& entry : entries_of(run_directory)) {
    const std::string name = entry.filename().string();
    const bool is_hidden = name.starts_with('.');
    std::string_view rest;
    const auto step = step_in(std::string_view(name).substr(is_hidden ? 1 : 0), kCheckpointPrefix, rest);
    if (step && (is_hidden ? rest.starts_with(kReplacedMark) : rest.empty())) {
      candidates.push_back({*step, is_hidden, entry});
    }
  }
  std::sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
    return std::tie(b.step, a.is_replaced, a.directory) < std::tie(a.step, b.is_replaced, b.directory);
  });
  return candidates;
}

std::string one_line(std::string text) {
  for (size_t at = text.find('\n'); at != std::string::npos; at = text.find('\n', at))
    text.replace(at, 3, "; ");
  return text;
}

}  // namespace

std::string checkpoint_name(int64_t step) {
  return fmt::format("{}{}", kCheckpointPrefix, step);
}

void save_checkpoint(const std::filesystem::path& run_directory, const Checkpoint& checkpoint) {
  const TemporaryDirectory temporary(hidden_directory_of(run_directory, checkpoint.step, kTemporaryMark));
  write_safetensors(temporary.path() / "adapter.safetensors", checkpoint.adapter);
  write_safetensors(temporary.path() / "optimizer.safetensors", checkpoint.optimizer);
  write_text_atomically(temporary.path() / "state.json", checkpoint.state_json);
  if (checkpoint.write_more) checkpoint.write_more(temporary.path());
  write_manifest(temporary.path(), checkpoint.step, file_names());

  const std::filesystem::path directory = directory_of(run_directory, checkpoint.step);
  const std::filesystem::path replaced = hidden_directory_of(run_directory, checkpoint.step, kReplacedMark);
  const bool is_replacing = std::filesystem::exists(std::filesystem::symlink_status(directory));
  if (is_replacing) {
    remove_directory(replaced);
    rename_directory(directory, replaced);
  }
  rename_directory(temporary.path(), directory);
  sync_to_disk(run_directory);
  if (is_replacing) remove_directory(replaced);
}

Checkpoint load_checkpoint(const std::filesystem::path& checkpoint_directory) {
  const int64_t step = verify_manifest(checkpoint_directory, file_names());
  return {.step = step,
          .adapter = read_safetensors(checkpoint_directory / "adapter.safetensors"),
          .optimizer = read_safetensors(checkpoint_directory / "optimizer.safetensors"),
          .state_json = read_text(checkpoint_directory / "state.json")};
}

NewestCheckpoint load_newest_checkpoint(const std::filesystem::path& run_directory) {
  NewestCheckpoint newest;
  for (const Candidate& candidate : candidates_in(run_directory)) {
    try {
      Checkpoint checkpoint = load_checkpoint(candidate.directory);
      if (checkpoint.step != candidate.step) {
        throw Error(ExitCode::kBadData, {.what = "the checkpoint's manifest is of another step",
                                         .expected = fmt::format("step {}", candidate.step),
                                         .seen = fmt::format("step {}", checkpoint.step),
                                         .where = candidate.directory.string()});
      }
      newest.checkpoint = std::move(checkpoint);
      newest.directory = candidate.directory;
      return newest;
    } catch (const Error& error) {
      newest.skipped_reasons.push_back(one_line(error.what()));
    }
  }
  if (newest.skipped_reasons.empty()) return newest;
  throw Error(ExitCode::kBadData,
              {.what = "no checkpoint of the run can be used",
               .seen = fmt::format("{}", fmt::join(newest.skipped_reasons, "\n            ")),
               .where = run_directory.string(),
               .advice = "restore one from a copy, or start anew in another directory"});
}

void remove_old_checkpoints(const std::filesystem::path& run_directory, int64_t newest_step,
                            int64_t keep_count) {
  for (const Candidate& candidate : candidates_in(run_directory)) {
    if (candidate.is_replaced || candidate.step > newest_step) continue;
    if (--keep_count < 0) remove_directory(candidate.directory);
  }
}

void remove_leftovers(const std::filesystem::path& run_directory) {
  for (const std::filesystem::path& entry : entries_of(run_directory)) {
    const std::string name = entry.filename().string();
    if (name.starts_with('.') && name.find(kTemporaryMark) != std::string::npos) {
      remove_directory(entry);
      continue;
    }
    std::string_view rest;
    const auto step = step_in(name, fmt::format(".{}", kCheckpointPrefix), rest);
    if (!step || !rest.starts_with(kReplacedMark)) continue;
    const std::filesystem::path directory = directory_of(run_directory, *step);
    if (std::filesystem::exists(directory)) {
      remove_directory(entry);
    } else {
      rename_directory(entry, directory);
    }
  }
}

}  // namespace sdlora::checkpoint
