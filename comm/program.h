// The frame of every program: MPI where a launcher started us, one handler for errors, the right exit code.
#pragma once

#include <functional>

#include "comm/communicator.h"

namespace sdlora::comm {

// Runs `body` with the world's communicator and returns the exit code. MPI is initialised when mpirun or srun started
// this process (OMPI_COMM_WORLD_SIZE, PMIX_RANK, PMI_RANK), else there is one rank. An Error is logged as one message with
// the rank, and ends all ranks with its exit code; any other exception is reported as a defect of ours (70).
int run_program(int* argc, char*** argv, const std::function<void(Communicator& world)>& body);

// (all ranks) Runs `body` on every rank; if it throws an Error on any, every rank throws the Error of the lowest such rank,
// which alone reports it. For checks at start-up, so that no rank is left waiting in a collective.
void agree(Communicator& world, const std::function<void()>& body);

}  // namespace sdlora::comm
