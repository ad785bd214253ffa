// How many threads a rank's arithmetic uses on the CPU.
#pragma once

#include "comm/communicator.h"

namespace sdlora::process {

// (all ranks) Sets and returns the intra-op threads of this rank. 0: the cores this process may run on,
// shared among the ranks that may run on the same ones (mpirun --bind-to none), or all of them where each
// rank was given its own (Slurm, mpirun's default binding). Call before the first tensor operation.
int set_cpu_threads(int requested, comm::Communicator& world);

}  // namespace sdlora::process
