// Communicators of MPI's, freed with their owner. Includes <mpi.h>: for the sources of comm/ alone.
#pragma once

#include <mpi.h>

namespace sdlora::comm {

class MpiGroup {
 public:
  static MpiGroup of_world();                      // (all ranks) its own traffic, apart from others'
  static MpiGroup of_host(const MpiGroup& world);  // (all ranks of `world`) those that share memory

  MpiGroup(MpiGroup&& other) noexcept;
  ~MpiGroup();
  MpiGroup(const MpiGroup&) = delete;
  MpiGroup& operator=(const MpiGroup&) = delete;

  MPI_Comm get() const { return handle_; }

  int rank() const { return rank_; }

  int size() const { return size_; }

 private:
  explicit MpiGroup(MPI_Comm handle);

  MPI_Comm handle_;
  int rank_ = 0;
  int size_ = 1;
};

}  // namespace sdlora::comm
