// metrics.jsonl: one line per optimiser step, a JSON object, readable while the run goes on.
//
//   {"step":7,"loss":0.12,"grad_norm":0.03,"learning_rate":1e-05,"skipped":false,"nonfinite":false,
//    "samples_per_second":4.1,"step_seconds":1.95}
//
// The line of a step after which there was a validation also has "validation_loss", "validation_loss_q1" …
// "q4" (by quarter of the timesteps) and "validation_seconds"; a validation before the first step has a line
// of its own, with step 0 and nothing else. The fields without "second" in their name are a function of
// config, seed and data, byte for byte; the rest are timings. JSON has no NaN: a loss or norm that is not
// finite is null, and "nonfinite" is true.
#pragma once

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>

#include "monitoring/records/step_record.h"
#include "monitoring/records/validation_record.h"

namespace sdlora::monitoring {

class MetricsFile {
 public:
  // Keeps the records of steps <= `resume_after_step` that `file` holds, and drops the others and a torn last
  // line, so that a resumed run holds each step once; 0 starts afresh. The folder must exist. Throws
  // Error(kIo).
  MetricsFile(const std::filesystem::path& file, int64_t resume_after_step);

  // The line is with the operating system when this returns; where that fails, on a full disk, there is a
  // warning and it is kept for the next try.
  void append(const StepRecord& record);

  // Throws Error(kIo) when lines are kept that still cannot be written.
  void flush();

  // Adds to the last line, which must be of that step, or else a line; `file` is replaced as a whole. Throws
  // Error(kIo).
  void add_validation(const ValidationRecord& record);

  // Whether the last line is of `step` and holds a validation.
  bool has_validation_of(int64_t step) const;

 private:
  void open();
  bool write_kept_lines();

  struct Close {
    void operator()(std::FILE* stream) const { std::fclose(stream); }
  };

  std::filesystem::path file_;
  std::unique_ptr<std::FILE, Close> stream_;
  std::string kept_lines_;  // not in the file yet
};

}  // namespace sdlora::monitoring
