#include "monitoring/terminal/run_summary.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "monitoring/terminal/progress_line.h"

namespace sdlora::monitoring {
namespace {

namespace fs = std::filesystem;

constexpr size_t kNamedSteps = 10;

std::string size_text(uintmax_t bytes) {
  constexpr double kMebibyte = 1024.0 * 1024.0;
  if (bytes < 1024 * 1024) return fmt::format("{:.0f} KiB", std::ceil(static_cast<double>(bytes) / 1024));
  return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / kMebibyte);
}

// What goes meanwhile, or cannot be read, does not count.
uintmax_t bytes_of_file(const fs::path& path) {
  std::error_code failure;
  if (!fs::is_regular_file(path, failure)) return 0;
  const uintmax_t bytes = fs::file_size(path, failure);
  return failure ? 0 : bytes;
}

uintmax_t bytes_below(const fs::path& path) {
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) return bytes_of_file(path);
  uintmax_t bytes = 0;
  for (fs::recursive_directory_iterator entry(path, ignored), end; entry != end; entry.increment(ignored))
    bytes += bytes_of_file(entry->path());
  return bytes;
}

// "checkpoint-step-" of "checkpoint-step-100": there may be many of those.
std::string series_of(const std::string& name) {
  const size_t digits = name.find_last_not_of("0123456789") + 1;
  return name.substr(0, digits).ends_with("-step-") && digits < name.size() ? name.substr(0, digits) : "";
}

// "lora_weights.pt (12.2 MiB)", a line each, in the order of the names.
std::string files_text(const fs::path& run_directory) {
  struct Entry {
    int count = 0;
    uintmax_t bytes = 0;
  };

  std::map<std::string, Entry> entries;
  std::error_code ignored;
  for (fs::directory_iterator file(run_directory, ignored), end; file != end; file.increment(ignored)) {
    const std::string name = file->path().filename().string(), series = series_of(name);
    if (file->path().extension() == ".lock") continue;
    Entry& known = entries[series.empty() ? name : series + "…"];
    ++known.count;
    known.bytes += bytes_below(file->path());
  }
  std::string text = run_directory.string();
  for (const auto& [name, entry] : entries)
    text += fmt::format("\n{} ({}{})", name, entry.count > 1 ? fmt::format("{} of them, ", entry.count) : "",
                        size_text(entry.bytes));
  return text;
}

}  // namespace

void RunSummary::keep_lower(std::optional<Loss>& best, const Loss& loss) {
  if (std::isfinite(loss.value) && (!best || loss.value < best->value)) best = loss;
}

void RunSummary::record_step(const StepRecord& record, int64_t samples) {
  ++step_count_;
  sample_count_ += samples;
  step_seconds_ += record.step_seconds;
  smoothed_loss_.add(record.loss);
  keep_lower(best_loss_, {smoothed_loss_.value(), record.step});
  if (record.skipped) skipped_steps_.push_back(record.step);
}

void RunSummary::record_validation(const ValidationRecord& record) {
  last_validation_loss_ = {record.loss, record.step};
  keep_lower(best_validation_loss_, *last_validation_loss_);
}

std::vector<TableRow> RunSummary::rows(const fs::path& run_directory) const {
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  std::vector<TableRow> rows{
      {"time", fmt::format("{}, of which {} in {} step{}", duration_text(seconds),
                           duration_text(step_seconds_), step_count_, step_count_ == 1 ? "" : "s")}};
  if (step_count_ > 0)
    rows.push_back({"speed", fmt::format("{:.2f} samples/s over all ranks, {:.3f} s a step",
                                         static_cast<double>(sample_count_) / step_seconds_,
                                         step_seconds_ / static_cast<double>(step_count_))});
  if (best_loss_)
    rows.push_back({"loss", fmt::format("{:.5f} at the end, best {:.5f} after step {} (both smoothed)",
                                        smoothed_loss_.value(), best_loss_->value, best_loss_->step)});
  if (last_validation_loss_ && best_validation_loss_)
    rows.push_back({"validation loss",
                    fmt::format("{:.5f} at the end, best {:.5f} after step {}", last_validation_loss_->value,
                                best_validation_loss_->value, best_validation_loss_->step)});
  const size_t named = std::min(skipped_steps_.size(), kNamedSteps);
  rows.push_back(
      {"skipped", skipped_steps_.empty()
                      ? "no step"
                      : fmt::format("{} step(s): {}{}", skipped_steps_.size(),
                                    fmt::join(skipped_steps_.begin(),
                                              skipped_steps_.begin() + static_cast<int64_t>(named), ", "),
                                    named < skipped_steps_.size() ? ", …" : "")});
  rows.push_back({"files", files_text(run_directory)});
  return rows;
}

}  // namespace sdlora::monitoring
