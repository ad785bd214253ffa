// How far a run has come, as its output directory tells somebody who is not part of it.
#pragma once

#include <cstdint>
#include <filesystem>

namespace sdlora::launcher {

struct RunProgress {
  int64_t last_step = 0;        // in metrics.jsonl; 0: none
  int64_t checkpoint_step = 0;  // highest checkpoint-step-N, whether valid or not; 0: there is none
};

// Never throws for what it finds there: a torn line or a missing file is no progress.
RunProgress read_progress(const std::filesystem::path& output);

// The newest time of change of a file of the trainer in `output`: a sign of life. The launcher's own files do
// not count.
std::filesystem::file_time_type newest_sign_of_life(const std::filesystem::path& output);

}  // namespace sdlora::launcher
