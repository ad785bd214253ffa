// What the process does besides training, and when it gives up.
#pragma once

#include <cstdint>
#include <filesystem>

#include "comm/watchdog.h"
#include "common/options.h"

namespace sdlora::trainer {

enum class OnTerm {
  kSave,  // save after the current step, and leave with 75
  kEnd,   // end at once
};

struct ProcessOptions {
  int64_t max_nonfinite_steps = 10;
  int64_t step_timeout_seconds = 300;
  int64_t startup_timeout_seconds = 600;
  OnTerm on_term = OnTerm::kSave;
  std::filesystem::path replay_directory;  // of a non-finite step: show it again, train nothing
  bool is_dry_run = false;

  void declare(OptionGroup group);

  // What --step-timeout and --startup-timeout say.
  comm::Patience patience() const;
};

}  // namespace sdlora::trainer
