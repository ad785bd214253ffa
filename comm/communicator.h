// The process group. Every function marked (all ranks) must be called by every rank in the same order.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "comm/collective_log.h"

namespace sdlora::comm {

class Communicator {
 public:
  virtual ~Communicator() = default;

  virtual int rank() const = 0;
  virtual int size() const = 0;
  virtual int local_rank() const = 0;  // among the ranks of this host
  virtual int local_size() const = 0;

  // (all ranks) Element-wise sum, in place. Contiguous int64, float32 or float64 of equal size on every rank;
  // integers wrap around. Throws Error(kInternal) naming the call when the library reports a failure, or for
  // another tensor.
  virtual void all_reduce_sum(at::Tensor& tensor) = 0;

  // (all ranks) `root`'s bytes on every rank; the others' argument is replaced, its size need not be known.
  // Throws Error(kInternal) on every rank when there is no such root.
  virtual void broadcast(std::string& bytes, int root) = 0;

  // (all ranks) Every rank's text on every rank, by rank.
  virtual std::vector<std::string> gather(const std::string& text) = 0;

  // (all ranks) On every host the bytes of its local rank 0; the others' argument is replaced.
  virtual void broadcast_on_host(std::string& bytes) = 0;

  // (all ranks)
  virtual void barrier() = 0;

  // Where this rank is among the collectives, for the watchdog.
  virtual CollectiveLog& log() = 0;

  // Gives up what is under way, from another thread than the one that is stuck in it. The communicator is of
  // no use afterwards. Only where the library can: MPI cannot.
  virtual void abort() noexcept {}
};

// One rank and nothing to wait for.
std::unique_ptr<Communicator> make_single_process_communicator();

// (all ranks) The ranks that mpirun or srun started; MPI must be initialised (mpi_session.h), and stay so
// until the communicator is gone. CUDA tensors are reduced by way of host memory.
std::unique_ptr<Communicator> make_mpi_communicator();

// (all ranks) Tensors of `device_index` over NCCL on the current CUDA stream, in place in its memory,
// everything else over `world`, which must outlive it. Nothing here waits for the device. One device a rank,
// unless `is_gpu_shared` (gpu_sharing.h). Throws Error(kMismatch) when this build has no NCCL,
// Error(kInternal) naming the call when NCCL reports a failure.
std::unique_ptr<Communicator> make_nccl_communicator(Communicator& world, int device_index,
                                                     bool is_gpu_shared = false);

// What every communicator demands of a tensor to reduce; throws Error(kInternal) naming what is wrong with
// it.
void check_reducible(const at::Tensor& tensor);

// As in "rank 1 of 4 on host n17", for messages.
std::string place_of(const Communicator& communicator);
std::string place_of(int rank, int size);

}  // namespace sdlora::comm
