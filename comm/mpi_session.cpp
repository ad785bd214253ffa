#include "comm/mpi_session.h"

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <thread>

#include <mpi.h>

#include "comm/mpi_call.h"
#include "common/error.h"

namespace sdlora::comm {
namespace {

bool is_set(const char* variable) {
  return std::getenv(variable) != nullptr;
}

}  // namespace

bool started_by_mpi() {
  if (is_set("OMPI_COMM_WORLD_SIZE") || is_set("PMIX_RANK") || is_set("PMI_RANK")) return true;
  const char* step_tasks = std::getenv("SLURM_STEP_NUM_TASKS");
  if (step_tasks != nullptr && std::atoi(step_tasks) > 1)
    throw Error(ExitCode::kMismatch, {.what = "srun started several ranks without MPI",
                                      .expected = "PMIX_RANK or PMI_RANK in the environment",
                                      .seen = std::string("SLURM_STEP_NUM_TASKS=") + step_tasks + " alone",
                                      .advice = "start with srun --mpi=pmix, or with mpirun"});
  return false;
}

void refuse_ranks_without_mpi(int size) {
  if (size > 1) return;
  for (const char* variable : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE", "WORLD_SIZE"}) {
    const char* count = std::getenv(variable);
    if (count == nullptr || std::atoi(count) < 2) continue;
    throw Error(
        ExitCode::kMismatch,
        {.what = "started as one of several ranks that do not find each other",
         .expected = std::string(variable) + "=" + count + " ranks in one MPI world",
         .seen = "a world of 1",
         .where = "environment variable " + std::string(variable),
         .advice =
             "start with the mpirun of Open MPI, srun --mpi=pmix or launcher run, not with another MPI's "
             "mpiexec or torchrun; for a single rank, unset it"});
  }
}

// A communicator apart from the program's traffic: a failing rank may speak on it whatever the others are
// doing.
// The buffers are here since MPI may still write to them after the caller's patience ran out.
struct MpiSession::Handles {
  MPI_Comm failures = MPI_COMM_NULL;
  FailureDigest own{};
  std::vector<FailureDigest> all;
};

MpiSession::MpiSession(int* argc, char*** argv) : handles_(std::make_unique<Handles>()) {
  int provided = MPI_THREAD_SINGLE;
  check_mpi(MPI_Init_thread(argc, argv, MPI_THREAD_FUNNELED, &provided), "MPI_Init_thread");
  if (provided < MPI_THREAD_FUNNELED)
    throw Error(ExitCode::kMismatch, {.what = "this MPI library does not allow threads",
                                      .expected = "MPI_THREAD_FUNNELED",
                                      .seen = "MPI_THREAD_SINGLE",
                                      .advice = "use an MPI library that was built with thread support"});
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  check_mpi(MPI_Comm_dup(MPI_COMM_WORLD, &handles_->failures), "MPI_Comm_dup");
}

MpiSession::~MpiSession() {
  MPI_Comm_free(&handles_->failures);
  MPI_Finalize();
}

int MpiSession::rank() const {
  int rank = 0;
  check_mpi(MPI_Comm_rank(MPI_COMM_WORLD, &rank), "MPI_Comm_rank");
  return rank;
}

int MpiSession::size() const {
  int size = 0;
  check_mpi(MPI_Comm_size(MPI_COMM_WORLD, &size), "MPI_Comm_size");
  return size;
}

std::optional<std::vector<FailureDigest>> MpiSession::exchange_failures(const FailureDigest& own,
                                                                        std::chrono::milliseconds patience) {
  handles_->own = own;
  handles_->all.resize(size());
  MPI_Request request = MPI_REQUEST_NULL;
  if (MPI_Iallgather(&handles_->own, sizeof own, MPI_BYTE, handles_->all.data(), sizeof own, MPI_BYTE,
                     handles_->failures, &request) != MPI_SUCCESS)
    return std::nullopt;
  const auto deadline = std::chrono::steady_clock::now() + patience;
  int is_complete = 0;
  while (!is_complete) {
    if (MPI_Test(&request, &is_complete, MPI_STATUS_IGNORE) != MPI_SUCCESS) return std::nullopt;
    if (!is_complete && std::chrono::steady_clock::now() >= deadline) return std::nullopt;
    if (!is_complete) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return handles_->all;
}

void MpiSession::abort(int exit_code) {
  std::cout.flush();
  std::fflush(nullptr);
  MPI_Abort(MPI_COMM_WORLD, exit_code);
  std::_Exit(exit_code);
}

}  // namespace sdlora::comm
