// attempts.jsonl: one line per attempt at a run, a JSON object, over all launchers that worked on it.
//
//   {"attempt":2,"host":"node7","start":"2026-11-22T09:30:00.250Z","end":"2026-11-22T09:41:07.113Z",
//    "seconds":666.9,"exit_code":137,"reason":"a rank was killed …","first_step":100,"step":143,
//    "checkpoint_step":100,"next":"restart in 0.8 s"}
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>

#include "launcher/supervisor/run_progress.h"

namespace sdlora::launcher {

struct AttemptRecord {
  int64_t attempt = 1;
  std::chrono::system_clock::time_point start;
  std::chrono::system_clock::time_point end;
  int exit_code = 0;
  std::string reason;
  int64_t first_checkpoint_step = 0;  // where it went on from; 0: from the start
  RunProgress progress;               // when it had ended
  std::string next;                   // what the launcher does now
};

// The number of the next attempt: one more than the highest that stands in `output`.
int64_t next_attempt(const std::filesystem::path& output);

// Appends a line. Throws Error(kIo).
void append_attempt(const std::filesystem::path& output, const AttemptRecord& record);

}  // namespace sdlora::launcher
