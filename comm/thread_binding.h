// OpenMP's own binding of threads to cores, which knows nothing of other ranks.
#pragma once

#include <string>

namespace sdlora::comm {

// Where OMP_PROC_BIND or GOMP_CPU_AFFINITY is set, libgomp has bound the main thread of every rank to the
// first of its cores before main() begins, and binds the others behind it: ranks that share cores meet on the
// same ones. Starts this program again without these variables, on all the cores that they name. Returns
// where there is nothing to undo, and what was undone by the start before: "OMP_PROC_BIND=true"; else empty.
// Call before threads, children and MPI.
std::string take_back_thread_binding(char** argv);

}  // namespace sdlora::comm
