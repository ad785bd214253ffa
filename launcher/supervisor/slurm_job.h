// The Slurm job that this process is part of, as its environment says.
#pragma once

#include <optional>
#include <string>

namespace sdlora::launcher {

struct SlurmJob {
  std::string id;         // "4711", or "4711_3" for a task of an array
  int task_count = 0;     // of the job, over all nodes; 0: not said
  int cpus_per_task = 0;  // 0: not said
  int restart_count = 0;  // how often it has been requeued
};

std::optional<SlurmJob> slurm_job();

// Why srun cannot start ranks in it: the variables are left over, as in a shell that was started from a job
// that is over, or in a container without Slurm. Empty where it can, or where Slurm cannot be asked for the
// moment.
std::string reason_against(const SlurmJob& job);

}  // namespace sdlora::launcher
