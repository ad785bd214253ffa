#include "launcher/supervisor/supervisor.h"

#include <csignal>
#include <cstdlib>
#include <random>
#include <thread>

#include <fmt/format.h>
#include <unistd.h>

#include "common/error.h"
#include "common/log.h"
#include "launcher/supervisor/attempt_ending.h"
#include "launcher/supervisor/attempt_log.h"
#include "launcher/supervisor/child_process.h"
#include "launcher/supervisor/published_endpoints.h"
#include "launcher/supervisor/rank_command.h"
#include "launcher/supervisor/run_progress.h"
#include "launcher/supervisor/slurm_job.h"
#include "launcher/supervisor/stray_processes.h"
#include "process/directory_lock.h"

namespace sdlora::launcher {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kLookEvery{500};
constexpr std::chrono::seconds kPatienceAfterTerm{10};  // mpirun takes two or three to end its ranks

bool asks_to_save(int signal) {
  return signal == SIGUSR1 || signal == SIGUSR2;
}

bool asks_to_end(int signal) {
  return signal == SIGTERM || signal == SIGINT || signal == SIGHUP;
}

// What mpirun copies to other hosts; srun exports all by itself.
std::vector<std::string> variables_for_ranks() {
  std::vector<std::string> names = {"SDLORA_RUN", "SDLORA_RUN_ATTEMPT"};
  for (char** variable = ::environ; *variable != nullptr; ++variable) {
    const std::string text = *variable;
    const std::string name = text.substr(0, text.find('='));
    if (name == "LD_LIBRARY_PATH" || name.starts_with("NCCL_") || name.starts_with("OMP_"))
      names.push_back(name);
  }
  return names;
}

void say(const AttemptRecord& record) {
  const std::string text = fmt::format(
      "attempt {} ended with exit code {} after {:.1f} s, at step {} with a checkpoint of step {}: {}; {}",
      record.attempt, record.exit_code, std::chrono::duration<double>(record.end - record.start).count(),
      record.progress.last_step, record.progress.checkpoint_step, record.reason, record.next);
  if (record.exit_code == 0)
    log::info(text);
  else
    log::warning(text);
}

class Supervisor {
 public:
  explicit Supervisor(const RunOptions& options)
      : options_(options),
        mark_("SDLORA_RUN=" + options.output.string()),
        policy_(options.limits, read_progress(options.output).checkpoint_step) {}

  int run();

 private:
  struct Decision {
    int exit_code;
    std::optional<std::chrono::milliseconds> restart_after;  // none: leave with exit_code
  };

  int run_attempt(int64_t attempt, bool is_first);
  Decision decide(AttemptRecord& record);
  int exit_code_when_asked() const;
  int wait_for(ChildProcess& ranks);
  bool has_stalled();
  void clean_up();
  std::vector<std::string> command(bool is_first) const;
  std::vector<std::string> environment(int64_t attempt) const;
  bool pause(std::chrono::milliseconds time);

  const RunOptions& options_;
  const std::string mark_;
  SignalInbox inbox_;
  RestartPolicy policy_;
  std::mt19937 random_{std::random_device{}()};
  int asked_by_ = 0;  // the signal that asked this launcher to stop; 0: none
  std::filesystem::file_time_type sign_of_life_;
  Clock::time_point last_change_;
};

int Supervisor::run() {
  clean_up();
  for (bool is_first = true;; is_first = false) {
    AttemptRecord record{.attempt = next_attempt(options_.output),
                         .start = std::chrono::system_clock::now(),
                         .first_checkpoint_step = read_progress(options_.output).checkpoint_step};
    record.exit_code = run_attempt(record.attempt, is_first);
    record.end = std::chrono::system_clock::now();
    record.progress = read_progress(options_.output);
    const auto [exit_code, restart_after] = decide(record);
    append_attempt(options_.output, record);
    say(record);
    if (!restart_after) return exit_code;
    if (!pause(*restart_after)) return exit_code_when_asked();
  }
}

// Completes the record with what its end means.
Supervisor::Decision Supervisor::decide(AttemptRecord& record) {
  const Ending ending = meaning_of_exit_code(record.exit_code);
  record.reason = ending.reason;
  record.next = "end";
  // mpirun ends with codes of its own when it is told to end, and so does a rank that is not listening yet.
  if (asked_by_ != 0 && ending.verdict == Verdict::kTryAgain) {
    record.reason = fmt::format("ended by signal {}", asked_by_);
    return {exit_code_when_asked(), std::nullopt};
  }
  if (ending.verdict == Verdict::kGiveUp) record.next = "given up: another attempt would end alike";
  if (ending.verdict != Verdict::kTryAgain) return {record.exit_code, std::nullopt};

  const double jitter = std::uniform_real_distribution<>()(random_);
  const RestartDecision restart =
      policy_.after({record.exit_code, record.progress.last_step, record.progress.checkpoint_step}, jitter);
  record.next = restart.pause ? fmt::format("restart in {:.1f} s",
                                            std::chrono::duration<double>(*restart.pause).count())
                              : "given up: " + restart.reason;
  return {record.exit_code, restart.pause};
}

int Supervisor::exit_code_when_asked() const {
  return asks_to_end(asked_by_) ? 128 + asked_by_ : static_cast<int>(ExitCode::kStopped);
}

int Supervisor::run_attempt(int64_t attempt, bool is_first) {
  log::info(fmt::format("attempt {}: {} rank(s) by {}", attempt, options_.rank_count,
                        word_of(options_.starter, starter_words())));
  ChildProcess ranks(command(is_first), environment(attempt));
  const int exit_code = wait_for(ranks);
  ranks.kill_group();
  clean_up();
  return exit_code;
}

int Supervisor::wait_for(ChildProcess& ranks) {
  std::optional<Clock::time_point> kill_at;
  last_change_ = Clock::now();
  for (;;) {
    if (const auto exit_code = ranks.poll()) return *exit_code;
    if (kill_at && Clock::now() >= *kill_at) ranks.kill_group();
    if (!kill_at && has_stalled()) {
      log::warning(fmt::format("no change in {} for {:.0f} s: the ranks are ended", options_.output.string(),
                               options_.stall_timeout_seconds));
      ranks.send(SIGTERM);
      kill_at = Clock::now() + kPatienceAfterTerm;
    }
    const int signal = inbox_.wait(kLookEvery).value_or(SIGCHLD);
    if (signal == SIGCHLD) continue;
    if (asks_to_end(signal) && asks_to_end(asked_by_)) kill_at = Clock::now();  // somebody is impatient
    if (!asks_to_end(asked_by_)) asked_by_ = signal;
    log::info(fmt::format("signal {}: {}", signal,
                          asks_to_save(signal) ? "the ranks save and leave" : "the ranks are ended"));
    ranks.send(asks_to_save(signal) ? signal : SIGTERM);
    if (asks_to_end(signal) && !kill_at) kill_at = Clock::now() + kPatienceAfterTerm;
  }
}

bool Supervisor::has_stalled() {
  if (options_.stall_timeout_seconds == 0) return false;
  const auto sign_of_life = newest_sign_of_life(options_.output);
  if (sign_of_life != sign_of_life_) last_change_ = Clock::now();
  sign_of_life_ = sign_of_life;
  return Clock::now() - last_change_ > std::chrono::duration<double>(options_.stall_timeout_seconds);
}

void Supervisor::clean_up() {
  const int count = kill_marked(mark_);
  if (count > 0) log::warning(fmt::format("{} processes of a dead attempt were still alive: killed", count));
}

std::vector<std::string> Supervisor::command(bool is_first) const {
  RankCommand command{.starter = options_.starter,
                      .rank_count = options_.rank_count,
                      .core_count = static_cast<int>(std::thread::hardware_concurrency()),
                      .hosts = options_.hosts,
                      .cpus_per_rank = slurm_job().value_or(SlurmJob{}).cpus_per_task,
                      .trainer = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "trainer",
                      .trainer_options = options_.trainer_options,
                      .exported = variables_for_ranks()};
  if (!std::filesystem::exists(command.trainer))
    throw Error(ExitCode::kMismatch,
                {.what = "the trainer is missing",
                 .expected = command.trainer.string(),
                 .advice = "build it beside the launcher: bash launcher/build.sh trainer"});
  if (!is_first) command.trainer_options = options_to_go_on(command.trainer_options, options_.starts_afresh);
  return words_of(command);
}

std::vector<std::string> Supervisor::environment(int64_t attempt) const {
  std::vector<std::string> variables = {mark_, fmt::format("SDLORA_RUN_ATTEMPT={}", attempt)};
  if (::geteuid() == 0) {  // as in a container, where there is no other user
    variables.emplace_back("OMPI_ALLOW_RUN_AS_ROOT=1");
    variables.emplace_back("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1");
  }
  return variables;
}

// False: a signal asks to stop.
bool Supervisor::pause(std::chrono::milliseconds time) {
  const auto end = Clock::now() + time;
  for (auto now = Clock::now(); now < end; now = Clock::now()) {
    const auto rest = std::chrono::ceil<std::chrono::milliseconds>(end - now);
    const int signal = inbox_.wait(rest).value_or(SIGCHLD);
    if (signal == SIGCHLD) continue;
    asked_by_ = signal;
    log::info(fmt::format("signal {} while waiting for the next attempt: no further one", signal));
    return false;
  }
  return true;
}

}  // namespace

int supervise(const RunOptions& options) {
  const auto lock = process::own_supervision(options.output);
  log::add_file(options.output / "launcher.log");
  const PublishedEndpoints targets(options.targets_directory, options.output);
  return Supervisor(options).run();
}

}  // namespace sdlora::launcher
