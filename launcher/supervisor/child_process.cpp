#include "launcher/supervisor/child_process.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <fstream>
#include <string_view>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/error.h"

namespace sdlora::launcher {
namespace {

bool is_ignored(int signal) {
  struct sigaction present {};

  return ::sigaction(signal, nullptr, &present) == 0 && present.sa_handler == SIG_IGN;
}

// An ignored signal that is held back would be handed out all the same.
sigset_t watched_signals() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : {SIGUSR1, SIGUSR2, SIGTERM, SIGCHLD}) ::sigaddset(&set, signal);
  for (const int signal : {SIGINT, SIGQUIT, SIGHUP})
    if (!is_ignored(signal)) ::sigaddset(&set, signal);
  return set;
}

std::vector<char*> pointers_to(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  pointers.reserve(words.size() + 1);
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

std::string_view name_in(std::string_view variable) {
  return variable.substr(0, variable.find('='));
}

// `added`, and of our own environment what it does not replace.
std::vector<std::string> with_ours(const std::vector<std::string>& added) {
  std::vector<std::string> all = added;
  for (char** variable = ::environ; *variable != nullptr; ++variable) {
    const bool is_replaced = std::any_of(added.begin(), added.end(), [&](const std::string& other) {
      return name_in(other) == name_in(*variable);
    });
    if (!is_replaced) all.emplace_back(*variable);
  }
  return all;
}

// What the kernel adds to a process' own size when it looks for one to kill for want of memory, of 1,000.
// Half the memory more than ours: the supervisor, which starts a run again, must not be the one.
std::string more_readily_killed() {
  int own = 0;
  std::ifstream("/proc/self/oom_score_adj") >> own;
  return std::to_string(std::min(own + 500, 1000));
}

// In the child, between fork and exec: only calls that are safe there. Reports errno through `report`.
[[noreturn]] void become(char* const* words, char* const* environment, pid_t parent, int report,
                         const OutputRelay& relay, const std::string& oom_score) {
  ::setsid();  // and so the leader of a process group
  std::signal(SIGPIPE, SIG_DFL);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(1);  // it died before we asked
  const sigset_t set = watched_signals();
  ::sigprocmask(SIG_UNBLOCK, &set, nullptr);
  if (const int file = ::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC); file >= 0) {
    [[maybe_unused]] const ssize_t written = ::write(file, oom_score.data(), oom_score.size());
  }
  const int nothing = ::open("/dev/null", O_RDONLY);
  ::dup2(nothing, STDIN_FILENO);
  ::dup2(relay.output_end(), STDOUT_FILENO);
  ::dup2(relay.error_end(), STDERR_FILENO);
  ::execvpe(words[0], words, environment);
  const int failure = errno;
  [[maybe_unused]] const ssize_t written = ::write(report, &failure, sizeof failure);
  ::_exit(127);
}

}  // namespace

SignalInbox::SignalInbox() {
  const sigset_t set = watched_signals();
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
}

std::optional<int> SignalInbox::wait(std::chrono::milliseconds patience) {
  const sigset_t set = watched_signals();
  const timespec time{.tv_sec = patience.count() / 1000, .tv_nsec = patience.count() % 1000 * 1'000'000};
  const int signal = ::sigtimedwait(&set, nullptr, &time);
  return signal > 0 ? std::optional(signal) : std::nullopt;
}

ChildProcess::ChildProcess(const std::vector<std::string>& words,
                           const std::vector<std::string>& environment) {
  std::vector<std::string> own_words = words;
  std::vector<std::string> all_variables = with_ours(environment);
  const std::vector<char*> argv = pointers_to(own_words);
  const std::vector<char*> envp = pointers_to(all_variables);

  std::array<int, 2> report{};  // closed by a successful exec
  if (::pipe2(report.data(), O_CLOEXEC) != 0)
    throw Error(ExitCode::kInternal, {.what = "cannot make a pipe", .seen = system_error_text()});
  const std::string oom_score = more_readily_killed();
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ == 0) become(argv.data(), envp.data(), parent, report[1], relay_, oom_score);
  relay_.close_program_ends();
  ::close(report[1]);
  int failure = pid_ < 0 ? errno : 0;
  if (pid_ > 0 && ::read(report[0], &failure, sizeof failure) != sizeof failure) failure = 0;
  ::close(report[0]);
  if (failure == 0) return;
  if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
  errno = failure;
  throw Error(failure == ENOENT ? ExitCode::kMismatch : ExitCode::kInternal,
              {.what = "cannot start " + words[0],
               .seen = system_error_text(),
               .advice = "see launcher doctor for what this machine lacks"});
}

ChildProcess::~ChildProcess() {
  if (exit_code_) return;
  kill_group();
  ::waitpid(pid_, nullptr, 0);
}

std::optional<int> ChildProcess::poll() {
  int status = 0;
  if (!exit_code_ && ::waitpid(pid_, &status, WNOHANG) == pid_)
    exit_code_ = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  return exit_code_;
}

void ChildProcess::send(int signal) const {
  if (!exit_code_) ::kill(pid_, signal);
}

void ChildProcess::kill_group() const {
  ::kill(-pid_, SIGKILL);
}

}  // namespace sdlora::launcher
