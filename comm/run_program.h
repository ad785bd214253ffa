// The frame of every program: MPI where mpirun or srun started us, one handler for errors, the right exit
// code.
#pragma once

#include <chrono>
#include <functional>

#include "comm/communicator.h"
#include "common/options.h"

namespace sdlora::comm {

// What every program needs first of all, before it opens files, forks or starts threads: threads that OpenMP
// has not bound to cores (thread_binding.h), the three standard files (common/standard_files.h), and no end
// with the reader of its output. A second call changes nothing.
void prepare_process(char** argv);

// Runs `body` with the world's communicator and returns the exit code. MPI is initialised when mpirun or srun
// started this process (mpi_session.h); otherwise there is one rank. An Error is logged as one message; any
// other exception is reported as a defect of ours (70), or as a lack of memory. A failing rank waits one
// second. If all ranks fail, each distinct message is logged once and all exit with rank 0's code. Otherwise
// the failing rank aborts the job with its own code.
int run_program(int* argc, char*** argv, const std::function<void(Communicator& world)>& body);

// What has to be known before MPI starts.
struct Start {
  ParseResult parsed = ParseResult::kRun;  // kLeave: there is nothing to run, and MPI is not started
  std::chrono::seconds mpi_patience{300};  // how long MPI may take (start_watch.h)
};

// The same for a program whose options say how long: `read_options` comes before MPI, and its errors are
// reported together, like those of `body`.
int run_program(int* argc, char*** argv, const std::function<Start()>& read_options,
                const std::function<void(Communicator& world)>& body);

}  // namespace sdlora::comm
