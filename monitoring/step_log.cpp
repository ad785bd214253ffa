#include "monitoring/step_log.h"

#include <fstream>
#include <string>

#include <nlohmann/json.hpp>

#include "common/error.h"
#include "common/log.h"
#include "monitoring/replace_file.h"

namespace sdlora::monitoring {
namespace {

std::string line_of(const StepRecord& record) {
  nlohmann::ordered_json line;
  line["step"] = record.step;
  line["loss"] = record.loss;  // the library writes null for what is not finite
  line["grad_norm"] = record.grad_norm;
  line["learning_rate"] = record.learning_rate;
  line["skipped"] = record.skipped;
  line["nonfinite"] = !record.is_finite();
  line["samples_per_second"] = record.samples_per_second;
  line["step_seconds"] = record.step_seconds;
  return line.dump() + "\n";
}

// The step of a record, or 0 for a line that is none.
int64_t step_of(const std::string& line) {
  const auto record = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!record.is_object() || !record.contains("step") || !record["step"].is_number_integer()) return 0;
  return record["step"].get<int64_t>();
}

[[noreturn]] void throw_unusable(const std::string& action, const std::filesystem::path& file) {
  const std::string reason = system_error_text();
  throw Error(ExitCode::kIo, Problem{.what = "cannot " + action + " the log of steps",
                                     .seen = reason,
                                     .where = file.string(),
                                     .advice = "check the free space and the folder's permissions"});
}

// The records to keep, as they stand, in ascending order of steps.
std::string records_until(const std::filesystem::path& file, int64_t last_step) {
  if (!std::filesystem::exists(file)) return "";
  std::ifstream stream(file, std::ios::binary);
  if (!stream) throw_unusable("read", file);
  std::string kept, line;
  int64_t previous_step = 0;
  int64_t unreadable_lines = 0;
  while (std::getline(stream, line)) {
    if (stream.eof()) break;  // no newline: the write was cut short
    const int64_t step = step_of(line);
    if (step <= 0) ++unreadable_lines;
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

StepLog::StepLog(const std::filesystem::path& file, int64_t resume_after_step) : file_(file) {
  replace_file(file, resume_after_step > 0 ? records_until(file, resume_after_step) : "");
  stream_.reset(std::fopen(file.c_str(), "ae"));
  if (!stream_) throw_unusable("write", file);
}

void StepLog::append(const StepRecord& record) {
  const std::string line = line_of(record);
  if (std::fwrite(line.data(), 1, line.size(), stream_.get()) != line.size() ||
      std::fflush(stream_.get()) != 0)
    throw_unusable("write", file_);
}

}  // namespace sdlora::monitoring
