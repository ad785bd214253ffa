#include "monitoring/records/metrics_file.h"

#include <cerrno>
#include <fstream>
#include <iterator>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "common/atomic_file.h"
#include "common/error.h"
#include "common/json_text.h"
#include "common/log.h"

namespace sdlora::monitoring {
namespace {

using OrderedJson = nlohmann::ordered_json;

std::string line_of(const StepRecord& record) {
  OrderedJson line;
  line["step"] = record.step;
  line["loss"] = record.loss;  // the library writes null for what is not finite
  line["grad_norm"] = record.gradient_norm;
  line["learning_rate"] = record.learning_rate;
  line["skipped"] = record.skipped;
  line["nonfinite"] = !record.is_finite();
  line["samples_per_second"] = record.samples_per_second;
  line["step_seconds"] = record.step_seconds;
  return line.dump() + "\n";
}

OrderedJson validation_fields(const ValidationRecord& record) {
  OrderedJson fields;
  fields["validation_loss"] = record.loss;
  for (size_t quarter = 0; quarter < record.quarter_losses.size(); ++quarter)
    fields[fmt::format("validation_loss_q{}", quarter + 1)] = record.quarter_losses[quarter];
  fields["validation_seconds"] = record.seconds;
  return fields;
}

struct SplitLog {
  std::string earlier_lines;
  OrderedJson last_record;  // null when there is none
};

SplitLog split_last_record(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(stream), {}};
  if (text.empty()) return {};
  const size_t end_of_earlier = text.rfind('\n', text.size() - 2);  // npos + 1 is 0
  OrderedJson last = parse_json_or_discard<OrderedJson>(text.substr(end_of_earlier + 1));
  text.resize(end_of_earlier + 1);
  return {std::move(text), std::move(last)};
}

bool is_of_step(const OrderedJson& record, int64_t step) {
  return record.is_object() && record.value("step", OrderedJson()) == step;
}

// The step of a record, or -1 for a line that is none.
int64_t step_of(const std::string& line) {
  const auto record = parse_json_or_discard(line);
  if (!record.is_object() || !record.contains("step") || !record["step"].is_number_integer()) return -1;
  return record["step"].get<int64_t>();
}

[[noreturn]] void throw_unusable(const std::string& action, const std::filesystem::path& file) {
  throw io_error("cannot " + action + " the log of steps", file,
                 "check the free space and the folder's permissions");
}

// The records to keep, as they stand, in ascending order of steps.
std::string records_until(const std::filesystem::path& file, int64_t last_step) {
  if (!std::filesystem::exists(file)) return "";
  std::ifstream stream(file, std::ios::binary);
  if (!stream) throw_unusable("read", file);
  std::string kept, line;
  int64_t previous_step = -1;
  int64_t unreadable_lines = 0;
  while (std::getline(stream, line)) {
    if (stream.eof()) break;  // no newline: the write was cut short
    const int64_t step = step_of(line);
    if (step < 0) ++unreadable_lines;
    if (step <= previous_step || step > last_step) continue;
    kept += line + "\n";
    previous_step = step;
  }
  if (unreadable_lines > 0)
    log::warning(
        fmt::format("{}: left out {} lines that are not records of steps", file.string(), unreadable_lines));
  return kept;
}

}  // namespace

MetricsFile::MetricsFile(const std::filesystem::path& file, int64_t resume_after_step) : file_(file) {
  write_text_atomically(file, resume_after_step > 0 ? records_until(file, resume_after_step) : "");
  open();
}

void MetricsFile::open() {
  stream_.reset(std::fopen(file_.c_str(), "ae"));
  if (!stream_) throw_unusable("write", file_);
}

void MetricsFile::append(const StepRecord& record) {
  const bool is_first_kept = kept_lines_.empty();
  kept_lines_ += line_of(record);
  if (!write_kept_lines() && is_first_kept)
    log::warning(fmt::format("{} cannot be written ({}): its lines from step {} on are kept for later",
                             file_.string(), system_error_text(), record.step));
}

void MetricsFile::flush() {
  const bool is_on_disk = write_kept_lines() && ::fdatasync(::fileno(stream_.get())) == 0;
  if (!is_on_disk) throw_unusable("write", file_);
}

// All or nothing: half a line would be joined by the next.
bool MetricsFile::write_kept_lines() {
  const int descriptor = ::fileno(stream_.get());
  const off_t whole_bytes = ::lseek(descriptor, 0, SEEK_END);
  for (std::string_view rest = kept_lines_; !rest.empty();) {
    const ssize_t written = ::write(descriptor, rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      const int reason = errno;
      [[maybe_unused]] const int ignored = ::ftruncate(descriptor, whole_bytes);
      errno = reason;
      return false;
    }
    rest.remove_prefix(static_cast<size_t>(written));
  }
  kept_lines_.clear();
  return true;
}

void MetricsFile::add_validation(const ValidationRecord& record) {
  flush();
  auto [text, last] = split_last_record(file_);
  OrderedJson amended;
  if (is_of_step(last, record.step)) {
    for (const auto& [name, value] : last.items()) {
      if (name == "samples_per_second") amended.update(validation_fields(record));
      amended[name] = value;
    }
  } else {
    if (!last.is_null()) text += last.dump() + "\n";
    amended["step"] = record.step;
  }
  amended.update(validation_fields(record));
  write_text_atomically(file_, text + amended.dump() + "\n");
  open();
}

bool MetricsFile::has_validation_of(int64_t step) const {
  const OrderedJson last = split_last_record(file_).last_record;
  return is_of_step(last, step) && last.contains("validation_loss");
}

}  // namespace sdlora::monitoring
