// Where and how exactly a run computes.
#pragma once

#include "common/device_kind.h"
#include "common/options.h"
#include "model/kernels/cpu_kernels.h"
#include "model/loading/mixed_precision.h"

namespace sdlora::trainer {

// How gradients are summed over micro-batches and ranks.
enum class Reduction {
  kExact,  // the same bytes for any order and grouping
  kFp32,   // the plain sum
};

Words<Reduction> reduction_words();

// What carries the gradients.
enum class Carrier { kAuto, kMpi, kNccl };

struct ComputeOptions {
  DeviceKind device = DeviceKind::kAuto;
  model::MixedPrecision mixed_precision = model::MixedPrecision::kNo;
  Reduction reduction = Reduction::kExact;
  Carrier comm = Carrier::kAuto;
  bool is_deterministic = false;    // on a GPU: only kernels that give the same bytes every time
  bool records_cuda_graph = false;  // on a GPU: a micro-batch's work is recorded once and replayed
  bool recomputes_blocks = false;   // transformer blocks in the backward, in place of keeping activations
  bool allow_gpu_sharing = false;   // several ranks on one GPU, for tests
  int cpu_threads = 0;              // per rank; 0: cores / local ranks
  model::kernels::CpuKernelWish cpu_kernels = model::kernels::CpuKernelWish::kAuto;

  void declare(OptionGroup group);

  // Throws Error(kUsage): what does not go together.
  void check() const;
};

}  // namespace sdlora::trainer
