// Which code computes the frozen layers on the CPU. The choice is part of what a run computes: another one
// rounds otherwise, so ranks compare it and checkpoints remember it.
#pragma once

#include <string>

#include <ATen/core/Tensor.h>

#include "common/words.h"

namespace sdlora::model::kernels {

// Attention of our own, by the vectors it is written for; each rounds otherwise.
enum class AttentionKernel {
  kAten,        // not our own
  kAvx2,        // fp32, 8 numbers a vector
  kAvx512,      // fp32, 16
  kAvx512Bf16,  // bfloat16, 32 numbers a vector
  kAmx,         // bfloat16, products of 16 × 32 numbers by 32 × 16, softmax with AVX-512
};

struct CpuKernels {
  bool packs_convolutions = false;    // convolution_kernel.h, channels last, weights prepared once
  bool multiplies_by_onednn = false;  // matrix products (those over patches always); else ATen's (MKL)
  bool multiplies_by_amx =
      false;  // oneDNN's products in bf16, where the CPU has AMX: they add in another order
  bool fuses_elementwise = false;  // own normalisations and GEGLU, with what is added before and around them
  AttentionKernel attention = AttentionKernel::kAten;
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

// True where the CPU has what this kernel is written for, and the system lets this process use it. For kAmx
// the system is asked for the tiles: for the whole process and its children, whose signals then save 8 KiB
// more.
bool can_run(AttentionKernel kernel);

// All ATen where the model is not computed on a CPU, in fp32 with AVX2 or in bf16 with
// AVX-512's BF16.
CpuKernels choose_cpu_kernels(CpuKernelWish wish, at::Device device, at::ScalarType dtype);

// "convolution Winograd, a product up to 64 cells, and oneDNN, product ATen, element-wise fused with 8
// lanes, attention own with 8 lanes, zeros below 2^-126"
std::string describe(const CpuKernels& kernels);

}  // namespace sdlora::model::kernels
