// Starts the ranks, watches them, and starts them again after what a restart can mend.
//
//   OUTPUT/launcher.lock   held while it runs: one launcher a directory
//   OUTPUT/launcher.log    its own lines
//   OUTPUT/attempts.jsonl  a line for each attempt
//
// Signals: USR1 and USR2 go on to the ranks, which save and leave with 75. TERM and HUP reach them as USR1,
// since mpirun and srun end their ranks at a TERM, and leave them --grace to save; with the trainer's
// --term-saves off, and always for INT and QUIT, the ranks are ended, the newest checkpoint stays. A second
// TERM, INT or QUIT ends everything at once. HUP, INT and QUIT that our parent ignores stay ignored. The
// ranks find the number of their attempt in SDLORA_RUN_ATTEMPT, and the run directory in SDLORA_RUN, by which
// what is left of a dead attempt is recognised.
#pragma once

#include "launcher/supervisor/run_options.h"

namespace sdlora::launcher {

// Returns the exit code for our caller: that of the last attempt, 75 when somebody asked the run to stop, or
// 128 + signal when one ended it, be it that the grace was over. Throws Error(kMismatch) when another
// launcher holds the directory.
int supervise(const RunOptions& options);

}  // namespace sdlora::launcher
