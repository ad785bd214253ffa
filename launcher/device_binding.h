// Which device a rank computes on.
#pragma once

#include <string>

#include <ATen/core/Tensor.h>

namespace sdlora::launcher {

// `choice`: auto (a GPU where there is one, else the CPU), cpu, cuda. Local ranks take GPUs 0, 1, 2 …; where
// only one is visible (Slurm may bind one to each task) it is taken. Throws Error(kUsage) for another word,
// Error(kMismatch) when a GPU is wanted and this machine has none, or fewer than local ranks.
at::Device bind_device(const std::string& choice, int local_rank, int local_size);

}  // namespace sdlora::launcher
