// Where a frozen model is held, and in which type it computes.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <ATen/core/Tensor.h>

#include "model/kernels/cpu_kernels.h"
#include "model/kernels/prepared_weights.h"
#include "model/loading/map_size.h"

namespace sdlora::model {

// Weights stored in another type are converted once, at load.
struct ComputeMode {
  at::Device device = at::kCPU;
  at::ScalarType dtype = at::kFloat;
  kernels::CpuKernels cpu_kernels;
  // Where the kernels' weights are noted down, to be shared by the ranks of a host; none: not shared.
  std::shared_ptr<kernels::PreparedWeights> prepared_weights;
  // Of the latents that the model is going to compute, by which convolutions choose their kernel. Others are
  // computed, too.
  MapSize expected_latents = {};
  // Convolutions, by diffusers' path, whose weight is kept beside what a kernel makes of it: DoRA reads it.
  // None: of no one.
  std::function<bool(const std::string& path)> keeps_weight;
  bool recomputes_transformer_blocks = false;  // in the backward, in place of keeping their activations
};

// With the kernels that the option --cpu-kernels asks for (choose_cpu_kernels).
inline ComputeMode compute_mode_on(at::Device device, at::ScalarType dtype,
                                   kernels::CpuKernelWish cpu_kernels = kernels::CpuKernelWish::kAuto,
                                   MapSize expected_latents = {}) {
  return {.device = device,
          .dtype = dtype,
          .cpu_kernels = kernels::choose_cpu_kernels(cpu_kernels, device, dtype),
          .prepared_weights = nullptr,
          .expected_latents = expected_latents,
          .keeps_weight = {}};
}

}  // namespace sdlora::model
