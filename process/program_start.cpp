#include "process/program_start.h"

#include <ATen/Context.h>

#include "comm/run_program.h"

namespace sdlora::process {

void begin_program(char** argv) {
  at::globalContext().setFlushDenormal(true);  // threads begin with what the one that starts them has
  comm::prepare_process(argv);
  watch_stop_signals();
}

}  // namespace sdlora::process
