// MPI's life in this process, and how a failing rank finds out whether it fails alone.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace sdlora::comm {

// Whether mpirun or srun started this process as one rank of a job (OMPI_COMM_WORLD_SIZE, PMIX_RANK,
// PMI_RANK). Throws Error(kMismatch) when srun started several tasks without telling MPI about them: each
// would believe to be alone, and all would write the same output.
bool started_by_mpi();

// Throws Error(kMismatch) when what started this process meant it to be one of several ranks, and MPI knows
// of one: another MPI's mpiexec, or torchrun. `size`: of the world that was found.
void refuse_ranks_without_mpi(int size);

// What a rank says of its failure; equal messages have equal digests.
struct FailureDigest {
  int64_t exit_code;
  uint64_t message_digest;
};

class MpiSession {
 public:
  // (all ranks) Initialises MPI for use by one thread at a time of a process with several.
  // Throws Error(kMismatch) when this MPI cannot.
  MpiSession(int* argc, char*** argv);

  // (all ranks) Finalises MPI. Communicators made meanwhile must be gone.
  ~MpiSession();

  MpiSession(const MpiSession&) = delete;
  MpiSession& operator=(const MpiSession&) = delete;

  int rank() const;
  int size() const;

  // (all failing ranks) Every rank's digest by rank, if all ranks fail within `patience`; else nothing, and
  // this rank must abort. Only once a session.
  std::optional<std::vector<FailureDigest>> exchange_failures(const FailureDigest& own,
                                                              std::chrono::milliseconds patience);

  // Ends all ranks; mpirun's exit code becomes `exit_code`.
  [[noreturn]] void abort(int exit_code);

 private:
  struct Handles;
  std::unique_ptr<Handles> handles_;
};

}  // namespace sdlora::comm
