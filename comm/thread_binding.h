// OpenMP's own binding of threads to cores, which knows nothing of other ranks.
#pragma once

#include <string>

namespace sdlora::comm {

// Where OMP_PROC_BIND or GOMP_CPU_AFFINITY is set, libgomp has bound the main thread of every rank to the
// first of its cores before main() begins, and binds the others behind it: ranks that share cores meet on the
// same ones, and so does all that a process starts. Starts this program again without these variables, on all
// the cores that they name; returns where there is nothing to undo. Call before files, children, threads and
// MPI.
void take_back_thread_binding(char** argv);

// A sentence for the log about what take_back_thread_binding() undid before it started this program again,
// "OMP_PROC_BIND=true is not obeyed …"; else empty. Only the first call tells.
std::string undone_thread_binding();

}  // namespace sdlora::comm
