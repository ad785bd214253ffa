#include "process/program_start.h"

#include <csignal>

#include "comm/thread_binding.h"
#include "common/standard_files.h"

namespace sdlora::process {

void begin_program(char** argv) {
  comm::take_back_thread_binding(argv);
  open_missing_standard_files();
  std::signal(SIGPIPE, SIG_IGN);
  watch_stop_signals();
}

}  // namespace sdlora::process
