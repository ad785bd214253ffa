// What a program does first of all.
#pragma once

#include "process/stop_signals.h"  // what a program asks after it has begun

namespace sdlora::process {

// Has the three standard files (common/standard_files.h), outlives the reader of its output, and remembers
// signals that ask it to stop (stop_signals.h); takes back OpenMP's binding of threads
// (comm/thread_binding.h). Before anything that takes time, opens a file or forks.
void begin_program(char** argv);

}  // namespace sdlora::process
