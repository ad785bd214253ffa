// The command that starts the ranks: mpirun, or srun inside a Slurm job.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "common/words.h"

namespace sdlora::launcher {

enum class Starter {
  kAuto,  // decided before ranks are started: srun inside a Slurm job, else mpirun
  kMpirun,
  kSrun,
};

inline Words<Starter> starter_words() {
  return {{"auto", Starter::kAuto}, {"mpirun", Starter::kMpirun}, {"srun", Starter::kSrun}};
}

struct RankCommand {
  Starter starter = Starter::kMpirun;
  int rank_count = 1;
  int core_count = 1;           // of this machine
  std::filesystem::path hosts;  // mpirun's host file; empty: this machine alone
  int cpus_per_rank = 0;        // for srun, which does not take it over from sbatch; 0: leave it
  std::filesystem::path trainer;
  std::vector<std::string> trainer_options;
  std::vector<std::string> exported;  // names of environment variables that ranks on other hosts shall see
};

// Program first. mpirun never binds ranks to cores (the trainer sets its threads), lets more ranks than cores
// yield instead of spinning, and hears of a lost host within about 15 seconds instead of 8 minutes.
std::vector<std::string> words_of(const RankCommand& command);

// The options for another attempt: where the trainer's `resume` is none (starts_afresh), be it from its
// command line or from its config file, that was meant for the first start, and becomes auto.
std::vector<std::string> options_to_go_on(std::vector<std::string> trainer_options, bool starts_afresh);

}  // namespace sdlora::launcher
