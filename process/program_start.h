// What a program does first of all.
#pragma once

#include "process/stop_signals.h"  // what a program asks after it has begun

namespace sdlora::process {

// comm::prepare_process(); and from now on signals that ask it to stop are remembered (stop_signals.h).
// Before anything that takes time, opens a file or forks.
void begin_program(char** argv);

}  // namespace sdlora::process
