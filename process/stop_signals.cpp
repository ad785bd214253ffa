#include "process/stop_signals.h"

#include <csignal>

namespace sdlora::process {
namespace {

// A signal handler can only reach an object of static storage.
volatile std::sig_atomic_t stop_flag = 0;  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)

}  // namespace

void watch_stop_signals() {
  for (const int signal : {SIGUSR1, SIGUSR2}) std::signal(signal, [](int) { stop_flag = 1; });
}

bool stop_was_requested() {
  return stop_flag != 0;
}

}  // namespace sdlora::process
