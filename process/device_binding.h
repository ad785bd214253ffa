// Which device a rank computes on, and how exactly.
#pragma once

#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "comm/communicator.h"
#include "common/device_kind.h"

namespace sdlora::process {

enum class GpuKernels {
  kUsual,
  kDeterministic,  // only those that give the same bytes every time
  kFastest,        // cuDNN tries its convolutions on each new shape and chooses by the clock
};

struct DeviceChoice {
  DeviceKind device = DeviceKind::kAuto;
  GpuKernels kernels = GpuKernels::kUsual;
  bool allow_gpu_sharing = false;  // several ranks may have one GPU
};

// (all ranks) Local ranks take GPUs 0, 1, 2 …; where only one is visible (Slurm may bind one to each task) it
// is taken. Call before the first use of a GPU. Throws Error(kMismatch) when
// a GPU is wanted and this machine has none, or fewer than local ranks, or two ranks would share one.
at::Device bind_device(const DeviceChoice& choice, comm::Communicator& world);

// The index of the GPU for a rank. Throws Error(kMismatch) with both numbers.
int choose_gpu(int visible_gpu_count, int local_rank, int local_size, bool allow_gpu_sharing);

// `gpus`: by rank, "host n17, GPU 0000:65:00.0"; empty on the CPU. Throws Error(kMismatch) naming two ranks
// that have the same one.
void refuse_shared_gpus(const std::vector<std::string>& gpus);

// What mpirun or srun calls this rank among those of its host must be what MPI found, or two ranks may meet
// on one GPU. Throws Error(kMismatch) naming the variable and both numbers.
void check_local_rank(int local_rank);

}  // namespace sdlora::process
