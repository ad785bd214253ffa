// Starts the ranks, watches them, and starts them again after what a restart can mend.
//
//   OUTPUT/launcher.lock   held while it runs: one launcher a directory
//   OUTPUT/launcher.log    its own lines
//   OUTPUT/attempts.jsonl  a line for each attempt
//
// Signals: USR1 and USR2 go on to the ranks, which save and leave with 75; TERM, INT and HUP end them now
// (a second one at once), the newest checkpoint stays. The ranks find the number of their attempt in
// SDLORA_RUN_ATTEMPT, and the run directory in SDLORA_RUN, by which what is left of a dead attempt is
// recognised.
#pragma once

#include "launcher/supervisor/run_options.h"

namespace sdlora::launcher {

// Returns the exit code for our caller: that of the last attempt, 75 when somebody asked the run to stop, or
// 128 + signal when one ended it. Throws Error(kMismatch) when another launcher holds the directory.
int supervise(const RunOptions& options);

}  // namespace sdlora::launcher
