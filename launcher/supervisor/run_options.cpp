#include "launcher/supervisor/run_options.h"

#include <cstdlib>
#include <cstring>
#include <optional>

#include <fmt/format.h>

#include "common/command_line.h"
#include "common/error.h"
#include "common/log.h"
#include "launcher/supervisor/slurm_job.h"
#include "trainer/options/train_config.h"

namespace sdlora::launcher {
namespace {

[[noreturn]] void refuse(const std::string& what, const std::string& advice) {
  throw Error(ExitCode::kUsage, {.what = what, .advice = advice});
}

// The trainer's options are read here as it reads them, so that a misspelt one costs no start.
bool read_trainer_options(RunOptions& options) {
  std::vector<const char*> words = {"trainer"};
  for (const std::string& word : options.trainer_options) words.push_back(word.c_str());
  trainer::TrainConfig config;
  if (trainer::parse_train_config(static_cast<int>(words.size()), words.data(), config) ==
      ParseResult::kLeave)
    return false;
  if (config.process.is_dry_run)
    refuse("--dry-run is not for launcher run", "start the trainer itself: trainer … --dry-run");
  options.output = std::filesystem::absolute(config.places.output).lexically_normal();
  options.starts_afresh = config.checkpoints.resume == "none";
  options.startup_timeout_seconds = config.process.startup_timeout_seconds;
  options.term_saves = config.process.on_term == trainer::OnTerm::kSave;
  return true;
}

void decide_starter(RunOptions& options, const std::optional<SlurmJob>& job) {
  if (options.starter == Starter::kAuto)
    options.starter = job && options.hosts.empty() ? Starter::kSrun : Starter::kMpirun;
  if (options.starter == Starter::kSrun && !job)
    refuse("--starter srun needs a Slurm job",
           "submit slurm/train_lora.sh with sbatch, or use --starter mpirun");
  if (options.starter == Starter::kSrun && !options.hosts.empty())
    refuse("--hosts is for mpirun, and Slurm has chosen the hosts of this job", "leave --hosts out");
}

}  // namespace

void declare_run_options(CLI::App& command, RunOptions& options) {
  OptionSet set(command);
  OptionGroup ranks = set.group("Ranks");
  ranks.add("np", options.rank_count, Scope::kRun, "ranks, one for each GPU or each share of the CPU's cores")
      .between(1, 1 << 20)
      .default_shown("the tasks of the Slurm job");
  ranks.add("hosts", options.hosts, Scope::kRun, "mpirun's host file: one line per host, NAME slots=RANKS")
      .existing_file()
      .default_shown("this machine, or the nodes of the Slurm job");
  ranks.add("starter", options.starter, Scope::kRun, "auto: srun inside a Slurm job, else mpirun")
      .one_of(starter_words());
  OptionGroup restarts = set.group("Restarts");
  restarts
      .add("max-restarts", options.limits.max_restarts, Scope::kRun, "in a row without a newer checkpoint")
      .at_least(0);
  restarts
      .add("max-failures-at-a-step", options.limits.max_failures_at_a_step, Scope::kRun,
           "alike and in a row, then it gives up")
      .between(2, 1 << 20);
  restarts
      .add("first-pause", options.limits.first_pause_seconds, Scope::kRun,
           "seconds before the first restart; doubles up to 60")
      .between(0, 60);
  restarts
      .add("stall-timeout", options.stall_timeout_seconds, Scope::kRun,
           "seconds without a change in the output directory, then it ends the ranks and restarts them; 0: "
           "never, the trainer's --step-timeout does it")
      .at_least(0);
  set.group("Signals")
      .add("grace", options.grace_seconds, Scope::kRun,
           "seconds that TERM and HUP leave the ranks to save, then it ends them; a second TERM ends them at "
           "once")
      .at_least(0);
  set.group("Watching")
      .add("targets-dir", options.targets_directory, Scope::kRun,
           "folder that Prometheus watches: a link to the run's metrics_targets.json goes there")
      .existing_directory();
  command.footer("After -- stand the options of the trainer: launcher run --np 2 -- --config run.toml");
}

std::vector<const char*> split_at_dashes(int argc, const char* const* argv, std::vector<std::string>& rest) {
  std::vector<const char*> own;
  int i = 0;
  for (; i < argc && std::strcmp(argv[i], "--") != 0; ++i) own.push_back(argv[i]);
  for (++i; i < argc; ++i) rest.emplace_back(argv[i]);
  return own;
}

bool complete(RunOptions& options) {
  if (std::getenv("OMPI_COMM_WORLD_SIZE") != nullptr)
    refuse("the launcher was started by mpirun", "start it alone: it starts mpirun itself");
  if (options.trainer_options.empty())
    refuse("there are no options for the trainer",
           "write them after --: launcher run --np 2 -- --config run.toml");
  if (!read_trainer_options(options)) return false;
  std::optional<SlurmJob> job = slurm_job();
  if (job && options.starter == Starter::kAuto && options.hosts.empty())
    if (const std::string reason = reason_against(*job); !reason.empty()) {
      log::warning(fmt::format("SLURM_JOB_ID={} is not heeded: {}", job->id, reason));
      job.reset();
    }
  decide_starter(options, job);
  if (options.rank_count == 0 && job) options.rank_count = job->task_count;
  if (options.rank_count == 0) refuse("--np is missing", "say how many ranks to start: --np 2");
  return true;
}

}  // namespace sdlora::launcher
