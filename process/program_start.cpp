#include "process/program_start.h"

#include <csignal>

#include "common/standard_files.h"

namespace sdlora::process {

void begin_program() {
  open_missing_standard_files();
  std::signal(SIGPIPE, SIG_IGN);
  watch_stop_signals();
}

}  // namespace sdlora::process
