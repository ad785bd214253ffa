// Which code computes the frozen layers on the CPU. The choice is part of what a run computes: another one
// rounds otherwise, so ranks compare it and checkpoints remember it.
#pragma once

#include <string>

#include <ATen/core/Tensor.h>

#include "common/words.h"

namespace sdlora::model::kernels {

struct CpuKernels {
  bool packs_convolutions = false;    // Winograd or oneDNN, channels last, weights prepared once
  bool multiplies_by_onednn = false;  // matrix products by oneDNN; else ATen's (MKL)
  bool multiplies_by_amx =
      false;                // oneDNN's products in bf16, where the CPU has AMX: they add in another order
  int attention_lanes = 0;  // blocked attention of our own, numbers a vector: 8, 16, in bf16 32; else ATen's
};

// The option --cpu-kernels.
enum class CpuKernelWish {
  kAuto,  // what was measured to be fastest on this kind of CPU (bench/results)
  kOneDnn,
  kAten,
};

inline Words<CpuKernelWish> cpu_kernel_words() {
  return {{"auto", CpuKernelWish::kAuto}, {"onednn", CpuKernelWish::kOneDnn}, {"aten", CpuKernelWish::kAten}};
}

// All ATen where the model is not computed on a CPU, in fp32 with AVX2 or in bf16 with
// AVX-512's BF16.
CpuKernels choose_cpu_kernels(CpuKernelWish wish, at::Device device, at::ScalarType dtype);

// "convolution Winograd and oneDNN, product ATen, attention own with 8 lanes"
std::string describe(const CpuKernels& kernels);

}  // namespace sdlora::model::kernels
