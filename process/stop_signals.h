// Signals that ask a program to save and leave: USR1 and USR2 (Slurm sends one ahead of the time limit;
// mpirun forwards both), TERM (docker, Kubernetes, systemd, every scheduler), and HUP, unless our parent had
// it ignored (nohup). INT and QUIT end the process at once.
#pragma once

namespace sdlora::process {

// From now on those that ask to save are remembered; a second TERM ends the process at once, as INT and QUIT
// do. All of them are heard by a process that is PID 1, too: to it the kernel delivers only what has a
// handler.
void watch_stop_signals();

// False: TERM and HUP end the process at once, and that includes one that has arrived since
// watch_stop_signals().
void let_term_save(bool saves);

// Whether one has arrived. Only this rank's own view: the trainer folds it into the step's reduction.
bool stop_was_requested();

}  // namespace sdlora::process
