#include "comm/mpi_group.h"

#include <utility>

#include "comm/mpi_call.h"

namespace sdlora::comm {

MpiGroup::MpiGroup(MPI_Comm handle) : handle_(handle) {
  check_mpi(MPI_Comm_set_errhandler(handle_, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
  check_mpi(MPI_Comm_rank(handle_, &rank_), "MPI_Comm_rank");
  check_mpi(MPI_Comm_size(handle_, &size_), "MPI_Comm_size");
}

MpiGroup MpiGroup::of_world() {
  MPI_Comm handle = MPI_COMM_NULL;
  check_mpi(MPI_Comm_dup(MPI_COMM_WORLD, &handle), "MPI_Comm_dup");
  return MpiGroup(handle);
}

MpiGroup MpiGroup::of_host(const MpiGroup& world) {
  MPI_Comm handle = MPI_COMM_NULL;
  check_mpi(MPI_Comm_split_type(world.get(), MPI_COMM_TYPE_SHARED, world.rank(), MPI_INFO_NULL, &handle),
            "MPI_Comm_split_type");
  return MpiGroup(handle);
}

MpiGroup::MpiGroup(MpiGroup&& other) noexcept
    : handle_(std::exchange(other.handle_, MPI_COMM_NULL)), rank_(other.rank_), size_(other.size_) {}

MpiGroup::~MpiGroup() {
  if (handle_ != MPI_COMM_NULL) MPI_Comm_free(&handle_);
}

}  // namespace sdlora::comm
