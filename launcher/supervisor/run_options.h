// What `launcher run` is asked for.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "common/options.h"
#include "launcher/supervisor/rank_command.h"
#include "launcher/supervisor/restart_policy.h"

namespace sdlora::launcher {

struct RunOptions {
  int rank_count = 0;           // 0: as many as Slurm's job has tasks
  std::filesystem::path hosts;  // mpirun's host file; empty: this machine, or the Slurm job's nodes
  Starter starter = Starter::kAuto;
  RestartLimits limits;
  double stall_timeout_seconds = 0;         // without a sign of life in the output directory; 0: never
  double grace_seconds = 120;               // that TERM leaves the ranks to save
  std::filesystem::path targets_directory;  // where Prometheus looks for targets; empty: nowhere
  std::vector<std::string> trainer_options;
  std::filesystem::path output;         // the trainer's --output
  bool starts_afresh = false;           // the trainer's --resume is none
  bool term_saves = true;               // the trainer's --term-saves is on
  int64_t startup_timeout_seconds = 0;  // the trainer's --startup-timeout
};

void declare_run_options(CLI::App& command, RunOptions& options);

// The command line without `--` and what follows it, which goes to `rest`.
std::vector<const char*> split_at_dashes(int argc, const char* const* argv, std::vector<std::string>& rest);

// Checks what the options say together, with the trainer's own options and the Slurm job where there is one,
// and fills in `output`, the number of ranks and the starter. Throws Error(kUsage). False: --help or
// --version of the trainer was asked for and printed.
bool complete(RunOptions& options);

}  // namespace sdlora::launcher
