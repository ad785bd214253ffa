// USR1 and USR2 ask a program to save and leave (Slurm sends one ahead of the time limit; mpirun forwards
// both).
#pragma once

namespace sdlora::process {

// From now on the two signals are remembered instead of ending the process. TERM and INT keep their default:
// they end it.
void watch_stop_signals();

// Whether one has arrived. Only this rank's own view: the trainer folds it into the step's reduction.
bool stop_was_requested();

}  // namespace sdlora::process
