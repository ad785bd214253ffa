#include "launcher/supervisor/supervisor.h"

#include <csignal>
#include <cstdlib>
#include <random>
#include <thread>

#include <fmt/format.h>
#include <unistd.h>

#include "common/cpu_cores.h"
#include "common/error.h"
#include "common/log.h"
#include "common/running_clock.h"
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

constexpr std::chrono::milliseconds kLookEvery{500};
constexpr double kSecondsForTheStarter = 20;            // beside what the ranks' own start may take
constexpr std::chrono::seconds kPatienceAfterTerm{10};  // mpirun takes two or three to end its ranks
// A scheduler signals every process of a job, and a script between us passes it on: one request, not two.
constexpr std::chrono::milliseconds kSameRequest{250};

// Of a person or a scheduler that waits for our end; a terminal that hangs up may say so several times.
bool may_be_repeated(int signal) {
  return signal == SIGTERM || signal == SIGINT || signal == SIGQUIT;
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
  bool asks_to_save(int signal) const;
  int exit_code_when_asked() const;
  int wait_for(ChildProcess& ranks);
  void heed(int signal, const ChildProcess& ranks, RunningClock::TimePoint now);
  void end_ranks(const ChildProcess& ranks, RunningClock::TimePoint now);
  double start_timeout_seconds() const;
  bool waits_for_first_sign() const;
  bool has_stalled(RunningClock::TimePoint now);
  void clean_up();
  std::vector<std::string> command(bool is_first) const;
  std::vector<std::string> environment(int64_t attempt) const;
  bool pause(std::chrono::milliseconds time);

  const RunOptions& options_;
  const std::string mark_;
  SignalInbox inbox_;
  RestartPolicy policy_;
  std::mt19937 random_{std::random_device{}()};
  int asked_by_ = 0;                                 // the signal that asked this launcher to stop; 0: none
  bool ends_by_force_ = false;                       // it did not stop in time: the ranks are ended
  bool is_stalled_ = false;                          // in this attempt
  std::optional<RunningClock::TimePoint> asked_at_;  // the first time by one that may be repeated
  std::optional<RunningClock::TimePoint> end_at_;    // by TERM to mpirun or srun
  std::optional<RunningClock::TimePoint> kill_at_;
  std::filesystem::file_time_type sign_of_life_;
  bool has_shown_life_ = false;  // in this attempt
  RunningClock::TimePoint last_change_;
};

int Supervisor::run() {
  clean_up();
  for (bool is_first = true;; is_first = false) {
    if (!pause(std::chrono::milliseconds(0))) return exit_code_when_asked();
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
  Ending ending = meaning_of_exit_code(record.exit_code);
  record.reason = ending.reason;
  record.next = "end";
  // mpirun ends with codes of its own when it is told to end, and so does a rank that is not listening yet.
  // Ranks that were to end may have saved before they did: whoever ended them hears that they were ended.
  const bool tells_of_the_end = ending.verdict == Verdict::kTryAgain || ending.verdict == Verdict::kStopped;
  if (asked_by_ != 0 && tells_of_the_end) {
    const int exit_code = exit_code_when_asked();
    if (exit_code != record.exit_code) record.reason = fmt::format("ended by signal {}", asked_by_);
    return {exit_code, std::nullopt};
  }
  // A stalled rank that hears the TERM by which it is ended saves and says so, but nobody asked it to stop.
  if (is_stalled_ && ending.verdict == Verdict::kStopped) {
    ending = meaning_of_exit_code(static_cast<int>(ExitCode::kInternal));
    record.reason = ending.reason;
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

bool Supervisor::asks_to_save(int signal) const {
  if (signal == SIGTERM || signal == SIGHUP) return options_.term_saves;
  return signal == SIGUSR1 || signal == SIGUSR2;
}

int Supervisor::exit_code_when_asked() const {
  return asks_to_save(asked_by_) && !ends_by_force_ ? static_cast<int>(ExitCode::kStopped) : 128 + asked_by_;
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
  RunningClock clock(kLookEvery);
  last_change_ = clock.now();
  sign_of_life_ = newest_sign_of_life(options_.output);
  has_shown_life_ = false;
  is_stalled_ = false;
  kill_at_.reset();  // of an attempt before
  for (;;) {
    if (const auto exit_code = ranks.poll()) return *exit_code;
    const RunningClock::TimePoint now = clock.now();
    if (kill_at_ && now >= *kill_at_) ranks.kill_group();
    if (end_at_ && !kill_at_ && now >= *end_at_) {
      log::warning(fmt::format("{:.0f} s of grace are over: the ranks are ended", options_.grace_seconds));
      ends_by_force_ = true;
      end_ranks(ranks, now);
    }
    if (!kill_at_ && has_stalled(now)) {
      log::warning(
          waits_for_first_sign()
              ? fmt::format("no sign of life from the ranks for {:.0f} s (--startup-timeout and {:.0f} s "
                            "for {}): they are ended. Does it reach every host, without a password?",
                            start_timeout_seconds(), kSecondsForTheStarter,
                            word_of(options_.starter, starter_words()))
              : fmt::format("no change in {} for {:.0f} s: the ranks are ended", options_.output.string(),
                            options_.stall_timeout_seconds));
      is_stalled_ = true;
      end_ranks(ranks, now);
    }
    if (const auto signal = inbox_.wait(kLookEvery); signal && *signal != SIGCHLD)
      heed(*signal, ranks, clock.now());
  }
}

void Supervisor::heed(int signal, const ChildProcess& ranks, RunningClock::TimePoint now) {
  if (may_be_repeated(signal)) {
    const bool is_same_request = signal == SIGTERM && asked_at_ && now - *asked_at_ < kSameRequest;
    if (asked_at_ && !is_same_request) {  // somebody is impatient
      log::info(fmt::format("signal {}, a second one: everything is ended at once", signal));
      ends_by_force_ = true;
      asked_by_ = signal;
      ranks.send(SIGTERM);
      kill_at_ = now;
      return;
    }
    if (!asked_at_) asked_at_ = now;
  }
  // Our caller hears of the one that is hardest to the ranks.
  if (asked_by_ == 0 || asked_by_ == SIGUSR1 || asked_by_ == SIGUSR2 || !asks_to_save(signal))
    asked_by_ = signal;
  log::info(fmt::format("signal {}: {}", signal,
                        asks_to_save(signal) ? "the ranks save and leave" : "the ranks are ended"));
  if (!asks_to_save(signal)) return end_ranks(ranks, now);
  const bool has_grace = signal == SIGTERM || signal == SIGHUP;
  if (has_grace && !end_at_)
    end_at_ = now + std::chrono::ceil<std::chrono::milliseconds>(
                        std::chrono::duration<double>(options_.grace_seconds));
  ranks.send(has_grace ? SIGUSR1 : signal);  // at a TERM mpirun and srun end the ranks themselves
}

void Supervisor::end_ranks(const ChildProcess& ranks, RunningClock::TimePoint now) {
  ranks.send(SIGTERM);
  if (!kill_at_) kill_at_ = now + kPatienceAfterTerm;
}

double Supervisor::start_timeout_seconds() const {
  return static_cast<double>(options_.startup_timeout_seconds) + kSecondsForTheStarter;
}

// Until their first sign of life the ranks are not watched by themselves: MPI may not start, or nobody starts
// them. A --stall-timeout that is shorter holds from the beginning.
bool Supervisor::waits_for_first_sign() const {
  const double stall = options_.stall_timeout_seconds;
  return !has_shown_life_ && (stall == 0 || stall > start_timeout_seconds());
}

bool Supervisor::has_stalled(RunningClock::TimePoint now) {
  if (has_shown_life_ && options_.stall_timeout_seconds == 0) return false;
  const auto sign_of_life = newest_sign_of_life(options_.output);
  if (sign_of_life != sign_of_life_) {
    last_change_ = now;
    has_shown_life_ = true;
  }
  sign_of_life_ = sign_of_life;
  const double most = waits_for_first_sign() ? start_timeout_seconds() : options_.stall_timeout_seconds;
  return most > 0 && now - last_change_ > std::chrono::duration<double>(most);
}

void Supervisor::clean_up() {
  const int count = kill_marked(mark_);
  if (count > 0) log::warning(fmt::format("{} processes of a dead attempt were still alive: killed", count));
}

std::vector<std::string> Supervisor::command(bool is_first) const {
  RankCommand command{.starter = options_.starter,
                      .rank_count = options_.rank_count,
                      .core_count = usable_core_count(),
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
  const auto end = std::chrono::steady_clock::now() + time;
  for (auto rest = time;;
       rest = std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now())) {
    const auto signal = inbox_.wait(std::max(rest, std::chrono::milliseconds(0)));
    if (!signal) return true;
    if (*signal == SIGCHLD) continue;
    asked_by_ = *signal;
    log::info(fmt::format("signal {} while waiting for the next attempt: no further one", *signal));
    return false;
  }
}

}  // namespace

int supervise(const RunOptions& options) {
  const auto lock = process::own_supervision(options.output);
  log::add_file(options.output / "launcher.log");
  const PublishedEndpoints targets(options.targets_directory, options.output);
  return Supervisor(options).run();
}

}  // namespace sdlora::launcher
