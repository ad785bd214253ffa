#include "launcher/supervisor/slurm_job.h"

#include <cstdlib>

#include "launcher/supervisor/command_output.h"

namespace sdlora::launcher {
namespace {

std::string text_of(const char* variable) {
  const char* text = std::getenv(variable);
  return text == nullptr ? "" : text;
}

int number_of(const char* variable) {
  return std::atoi(text_of(variable).c_str());
}

}  // namespace

std::optional<SlurmJob> slurm_job() {
  SlurmJob job{.id = text_of("SLURM_JOB_ID"),
               .task_count = number_of("SLURM_NTASKS"),
               .cpus_per_task = number_of("SLURM_CPUS_PER_TASK"),
               .restart_count = number_of("SLURM_RESTART_COUNT")};
  if (job.id.empty()) return std::nullopt;
  if (job.task_count == 0)
    job.task_count = number_of("SLURM_NTASKS_PER_NODE") * number_of("SLURM_JOB_NUM_NODES");
  const std::string array = text_of("SLURM_ARRAY_JOB_ID");
  if (!array.empty()) job.id = array + "_" + text_of("SLURM_ARRAY_TASK_ID");
  return job;
}

std::string reason_against(const SlurmJob& job) {
  const bool is_number = job.id.find_first_not_of("0123456789_") == std::string::npos;
  if (!is_number) return "that is no job's number";
  if (output_of("srun --version").empty()) return "there is no srun here";
  const std::string answer = output_of("squeue --noheader --jobs=" + job.id +
                                       " --format=%T 2>&1 || true");  // which fails for no such job
  return answer.find("Invalid job id") != std::string::npos ? "that job is over" : "";
}

}  // namespace sdlora::launcher
