// Checked MPI calls: check_mpi(MPI_Barrier(world), "MPI_Barrier").
#pragma once

namespace sdlora::comm {

// Throws Error(kInternal) that names the call, MPI's reason, the rank and the host, unless `result` is
// MPI_SUCCESS. Only communicators whose error handler is MPI_ERRORS_RETURN come back at all.
void check_mpi(int result, const char* call);

}  // namespace sdlora::comm
