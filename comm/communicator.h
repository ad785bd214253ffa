// The process group. Every function marked (all ranks) must be called by every rank in the same order.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace sdlora::comm {

class Communicator {
 public:
  virtual ~Communicator() = default;

  virtual int rank() const = 0;
  virtual int size() const = 0;
  virtual int local_rank() const = 0;  // among the ranks of this host
  virtual int local_size() const = 0;

  // (all ranks) Element-wise sum, in place. Contiguous int64, float32 or float64 of equal size on every rank; integers
  // wrap around. Throws Error(kInternal) naming the call when the library reports a failure.
  virtual void all_reduce_sum(at::Tensor& tensor) = 0;

  // (all ranks) `root`'s bytes on every rank; the others' argument is replaced, its size need not be known.
  virtual void broadcast(std::string& bytes, int root) = 0;

  // (all ranks) Every rank's text on every rank, by rank.
  virtual std::vector<std::string> gather(const std::string& text) = 0;

  // (all ranks)
  virtual void barrier() = 0;
};

// One rank and nothing to wait for.
std::unique_ptr<Communicator> make_single_process_communicator();

// The ranks that mpirun or srun started; MPI must be initialised (program.h does it).
std::unique_ptr<Communicator> make_mpi_communicator();

// Tensors over NCCL on `device_index`, everything else over `world`. (all ranks)
// Throws Error(kMismatch) when this build has no NCCL.
std::unique_ptr<Communicator> make_nccl_communicator(Communicator& world, int device_index);

}  // namespace sdlora::comm
