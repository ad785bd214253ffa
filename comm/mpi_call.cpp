#include "comm/mpi_call.h"

#include <array>
#include <string>

#include <mpi.h>

#include "comm/communicator.h"
#include "common/error.h"

namespace sdlora::comm {

void check_mpi(int result, const char* call) {
  if (result == MPI_SUCCESS) return;
  std::array<char, MPI_MAX_ERROR_STRING> reason{};
  int reason_bytes = 0;
  MPI_Error_string(result, reason.data(), &reason_bytes);
  int rank = -1;
  int size = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  throw Error(
      ExitCode::kInternal,
      {.what = std::string(call) + " failed",
       .seen = std::string(reason.data(), reason_bytes),
       .where = place_of(rank, size),
       .advice = "look for the first error of the other ranks; all must run the same program and options"});
}

}  // namespace sdlora::comm
