// The frame of every program: MPI where a launcher started us, one handler for errors, the right exit code.
#pragma once

#include <functional>

#include "comm/communicator.h"
#include "common/error.h"

namespace sdlora::comm {

// Runs `body` with the world's communicator and returns the exit code. MPI is initialised when mpirun or srun
// started this process (mpi_session.h), else there is one rank. An Error is logged as one message; any other
// exception is reported as a defect of ours (70), or as a lack of memory. A rank that fails waits a second
// for the others: if all fail, as they do for a wrong option or in agree(), each distinct message is logged
// once and all leave in order with the exit code of rank 0; if some do not, they are ended with the failing
// rank's exit code.
int run_program(int* argc, char*** argv, const std::function<void(Communicator& world)>& body);

// What every rank throws at the same place.
struct CommonError : Error {
  using Error::Error;
};

// (all ranks) Runs `body` on every rank; if it throws on any, every rank throws the CommonError of the lowest
// such rank, which says whose it is. For checks at start-up, so that no rank is left waiting in a collective.
// `body` must not communicate.
void agree(Communicator& world, const std::function<void()>& body);

}  // namespace sdlora::comm
