#include "process/stop_signals.h"

#include <atomic>
#include <csignal>
#include <cstdint>
#include <ctime>

#include <unistd.h>

namespace sdlora::process {
namespace {

constexpr int kSignalBase = 128;  // a shell's way to tell an exit by a signal

// One request may arrive twice: from a scheduler that signals every process of a job, and from a parent that
// passes it on. Nobody is impatient so soon.
constexpr int64_t kSameRequestNanoseconds = 250'000'000;

// A signal handler can only reach objects of static storage.
// NOLINTBEGIN(cppcoreguidelines-avoid-non-const-global-variables)
volatile std::sig_atomic_t stop_flag = 0;
volatile std::sig_atomic_t ending_signal = 0;  // the last TERM or HUP; 0: none
volatile std::sig_atomic_t term_saves = 1;
std::atomic<int64_t> first_term_nanoseconds = 0;  // 0: none
// NOLINTEND(cppcoreguidelines-avoid-non-const-global-variables)
static_assert(std::atomic<int64_t>::is_always_lock_free);

int64_t monotonic_nanoseconds() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

// The functions below run in a handler: only calls that are safe there.

// By the signal itself, so that our parent learns it.
void end_at_once(int signal) {
  std::signal(signal, SIG_DFL);
  ::raise(signal);
  ::_exit(kSignalBase + signal);  // PID 1 does not die of it
}

void remember(int) {
  stop_flag = 1;
}

void remember_hangup(int signal) {
  if (term_saves == 0) end_at_once(signal);
  ending_signal = signal;
  stop_flag = 1;
}

void remember_term(int signal) {
  if (term_saves == 0) end_at_once(signal);
  const int64_t now = monotonic_nanoseconds();
  int64_t first = 0;
  const bool is_first = first_term_nanoseconds.compare_exchange_strong(first, now);
  if (!is_first && now - first > kSameRequestNanoseconds) end_at_once(signal);
  ending_signal = signal;
  stop_flag = 1;
}

bool is_ignored(int signal) {
  struct sigaction present {};

  return ::sigaction(signal, nullptr, &present) == 0 && present.sa_handler == SIG_IGN;
}

void handle(int signal, void (*handler)(int)) {
  struct sigaction action {};

  action.sa_handler = handler;
  action.sa_flags = SA_RESTART | SA_NODEFER;  // NODEFER: end_at_once() raises the signal within its handler
  ::sigaction(signal, &action, nullptr);
}

}  // namespace

void watch_stop_signals() {
  for (const int signal : {SIGUSR1, SIGUSR2}) handle(signal, remember);
  handle(SIGTERM, remember_term);
  // What our parent ignores for us stays so: HUP under nohup, INT and QUIT in the background of a script.
  if (!is_ignored(SIGHUP)) handle(SIGHUP, remember_hangup);
  for (const int signal : {SIGINT, SIGQUIT})
    if (!is_ignored(signal)) handle(signal, end_at_once);
}

void let_term_save(bool saves) {
  term_saves = saves ? 1 : 0;
  if (!saves && ending_signal != 0) end_at_once(ending_signal);
}

bool stop_was_requested() {
  return stop_flag != 0;
}

}  // namespace sdlora::process
