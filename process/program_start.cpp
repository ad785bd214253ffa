#include "process/program_start.h"

#include "comm/run_program.h"

namespace sdlora::process {

void begin_program(char** argv) {
  comm::prepare_process(argv);
  watch_stop_signals();
}

}  // namespace sdlora::process
