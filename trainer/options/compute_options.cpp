#include "trainer/options/compute_options.h"

#include "common/error.h"

namespace sdlora::trainer {

constexpr int kMostCpuThreads = 1024;  // more than any host has cores

Words<Reduction> reduction_words() {
  return {{"exact", Reduction::kExact}, {"fp32", Reduction::kFp32}};
}

void ComputeOptions::declare(OptionGroup group) {
  group.add("device", device, Scope::kRank, "where to compute").one_of(device_words());
  group.add("mixed-precision", mixed_precision, Scope::kResult, "type of the frozen model's arithmetic")
      .one_of(model::mixed_precision_words());
  group
      .add("reduction", reduction, Scope::kResult,
           "exact: the same bytes on any number of ranks; fp32: plain")
      .one_of(reduction_words());
  group.add("comm", comm, Scope::kRun, "what carries the gradients")
      .one_of({{"auto", Carrier::kAuto}, {"mpi", Carrier::kMpi}, {"nccl", Carrier::kNccl}});
  group.add("deterministic", is_deterministic, Scope::kRun,
            "on a GPU: only kernels that give the same bytes every time, which are slower");
  group.add("cuda-graph", records_cuda_graph, Scope::kRun,
            "on a GPU: record a micro-batch's work once and replay it, which spares the host; for small "
            "micro-batches");
  group.add("gradient-checkpointing", recomputes_blocks, Scope::kRun,
            "less memory for more time: transformer blocks are computed again in the backward");
  group.add("allow-gpu-sharing", allow_gpu_sharing, Scope::kRun,
            "for tests: let several ranks take turns on one GPU");
  group
      .add("cpu-threads", cpu_threads, Scope::kRank,
           "intra-op threads of each rank; auto: cores / local ranks, or what the resumed checkpoint used")
      .auto_is_zero()
      .between(0, kMostCpuThreads);
  group
      .add("cpu-kernels", cpu_kernels, Scope::kRun,
           "what computes the frozen layers on the CPU; auto: the fastest measured on this kind of CPU")
      .one_of(model::kernels::cpu_kernel_words());
}

void ComputeOptions::check() const {
  if (!records_cuda_graph || !recomputes_blocks) return;
  throw Error(ExitCode::kUsage, {.what = "a CUDA graph cannot hold what is computed again in the backward",
                                 .expected = "--cuda-graph or --gradient-checkpointing",
                                 .seen = "both",
                                 .advice = "leave --cuda-graph out"});
}

}  // namespace sdlora::trainer
