#include "comm/flight_record.h"

#include <algorithm>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

namespace sdlora::comm {
namespace {

namespace fs = std::filesystem;

constexpr size_t kEntryBytes = 256;     // of text, at most
constexpr size_t kHostRankBytes = 128;  // likewise
constexpr size_t kEverythingElse = 4096;
constexpr std::string_view kPrefix = "flight-rank-", kPreviousPrefix = "previous-flight-rank-";

double seconds_since(int64_t monotonic_ns) {
  const std::chrono::nanoseconds now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now - std::chrono::nanoseconds(monotonic_ns)).count();
}

// Appends to memory that was set aside; what does not fit is left out.
class FixedText {
 public:
  explicit FixedText(std::vector<char>& memory) : memory_(memory) {}

  template <typename... Values>
  void append(fmt::format_string<Values...> format, Values&&... values) {
    const size_t space = memory_.size() - size_;
    const auto result =
        fmt::format_to_n(memory_.data() + size_, space, format, std::forward<Values>(values)...);
    size_ += std::min(space, result.size);
  }

  // As JSON: quotes, backslashes and control characters become '_'.
  void append_string(std::string_view text) {
    append("\"");
    for (const char letter : text)
      append("{}",
             letter == '"' || letter == '\\' || static_cast<unsigned char>(letter) < ' ' ? '_' : letter);
    append("\"");
  }

  std::string_view view() const { return {memory_.data(), size_}; }

 private:
  std::vector<char>& memory_;
  size_t size_ = 0;
};

void append_entry(FixedText& text, const CollectiveLog::Entry& entry) {
  text.append(R"({{"sequence": {}, "operation": "{}", "bytes": {}, "section": "{}", "step": {}, )",
              entry.sequence, entry.operation, entry.bytes, name_of(entry.section), entry.step);
  text.append(R"("entered_seconds_ago": {:.6f}, )", seconds_since(entry.entered_ns));
  if (entry.left_ns == 0)
    text.append(R"("left_seconds_ago": null}})");
  else
    text.append(R"("left_seconds_ago": {:.6f}}})", seconds_since(entry.left_ns));
}

void append_host_ranks(FixedText& text, const CollectiveLog& log) {
  const char* separator = "";
  text.append("\"host_ranks\": [");
  for (const HostRank& other : log.host_ranks()) {
    text.append(R"({}{{"rank": {}, "entered": {}, "left": {}, "silent_seconds": {:.3f}}})", separator,
                other.rank, other.progress->entered.load(), other.progress->left.load(),
                CollectiveLog::silence_of(other).count());
    separator = ", ";
  }
  separator = "";
  text.append("],\n\"behind\": [");
  for (const HostRank& other : log.host_ranks()) {
    if (!log.is_behind(other)) continue;
    text.append("{}{}", separator, other.rank);
    separator = ", ";
  }
  text.append("],\n");
}

bool write_whole(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(descriptor, text.data(), text.size());
    if (written <= 0) return false;
    text.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

}  // namespace

FlightRecord::FlightRecord(fs::path file, size_t host_rank_count)
    : file_(std::move(file)),
      text_(CollectiveLog::kCapacity * kEntryBytes + host_rank_count * kHostRankBytes + kEverythingElse) {}

bool FlightRecord::write(const FlightMoment& moment, const CollectiveLog& log) noexcept {
  if (file_.empty()) return false;
  FixedText text(text_);
  text.append("{{\"format\": \"sdlora flight record 1\",\n\"rank\": {},\n\"place\": ", log.own_rank());
  text.append_string(moment.place);
  text.append(",\n\"section\": \"{}\",\n\"step\": {},\n\"doing\": ", name_of(log.section()), log.step());
  text.append_string(moment.doing);
  text.append(",\n\"seconds_without_progress\": {:.3f},\n", moment.without_progress.count());
  append_host_ranks(text, log);
  text.append("\"collectives\": [");
  const CollectiveLog::Entries entries = log.entries();
  for (int64_t i = 0; i < entries.count; ++i) {
    text.append("{}", i == 0 ? "\n" : ",\n");
    append_entry(text, entries.items[static_cast<size_t>(i)]);
  }
  text.append("]}}\n");

  const int descriptor = ::open(file_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (descriptor < 0) return false;
  const bool is_whole = write_whole(descriptor, text.view());
  return ::close(descriptor) == 0 && is_whole;
}

std::string describe_last_collective(const CollectiveLog& log) {
  const CollectiveLog::Entries entries = log.entries();
  if (entries.count == 0) return "no collective yet";
  const CollectiveLog::Entry& last = entries.items[static_cast<size_t>(entries.count - 1)];
  std::string text =
      fmt::format("{} collective {} ({}, {} bytes, section {}, step {}), entered {:.1f} s ago",
                  last.left_ns == 0 ? "in" : "out of", last.sequence, last.operation, last.bytes,
                  name_of(last.section), last.step, seconds_since(last.entered_ns));
  for (const HostRank& other : log.host_ranks())
    if (log.is_behind(other))
      text += fmt::format("; behind: rank {} (collective {}, last sign of life {:.1f} s ago)", other.rank,
                          other.progress->entered.load(), CollectiveLog::silence_of(other).count());
  return text;
}

std::string flight_record_name(int rank) {
  return fmt::format("{}{}.json", kPrefix, rank);
}

void set_aside_flight_records(const fs::path& run_directory) {
  std::error_code ignored;  // a stale record is at worst replaced
  std::vector<fs::path> stale, last;
  for (const auto& entry : fs::directory_iterator(run_directory, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(kPreviousPrefix)) stale.push_back(entry.path());
    if (name.starts_with(kPrefix)) last.push_back(entry.path());
  }
  if (last.empty()) return;
  for (const fs::path& file : stale) fs::remove(file, ignored);
  for (const fs::path& file : last)
    fs::rename(file, run_directory / ("previous-" + file.filename().string()), ignored);
}

}  // namespace sdlora::comm
