#include "model/kernels/cpu_kernels.h"

#include <cpuid.h>
#include <dnnl.hpp>
#include <fmt/format.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "model/kernels/small_map.h"

namespace sdlora::model::kernels {
namespace {

// The maker's name as the CPU gives it: "AuthenticAMD", "GenuineIntel".
std::string cpu_vendor() {
  unsigned highest_leaf = 0, parts[3] = {};
  __get_cpuid(0, &highest_leaf, &parts[0], &parts[2], &parts[1]);
  return {reinterpret_cast<const char*>(parts), sizeof parts};
}

// AMX's tiles are 8 KiB that the system saves with a thread; it wants to be asked first (Linux 5.16,
// arch_prctl).
bool is_given_tiles() {
  constexpr unsigned kExtendedFeatures = 7, kBf16Bit = 1U << 22, kTileBit = 1U << 24;  // CPUID, in EDX
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (__get_cpuid_count(kExtendedFeatures, 0, &eax, &ebx, &ecx, &edx) == 0) return false;
  if ((edx & kBf16Bit) == 0 || (edx & kTileBit) == 0) return false;
  constexpr long kAskForFeature = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return ::syscall(SYS_arch_prctl, kAskForFeature, kTileData) == 0;
}

// The vectors of the functions of SDLORA_FOR_EACH_CPU that this CPU takes: those of x86-64-v4 and v3, by what
// machines lack of them.
const char* words_for_vectors() {
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !__builtin_cpu_supports("bmi2"))
    return "fused with 4 lanes";
  const bool is_v4 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                     __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                     __builtin_cpu_supports("avx512vl");
  return is_v4 ? "fused with 16 lanes" : "fused with 8 lanes";
}

const char* words_for(AttentionKernel kernel) {
  switch (kernel) {
    case AttentionKernel::kAten:
      return "ATen";
    case AttentionKernel::kAvx2:
      return "own with 8 lanes";
    case AttentionKernel::kAvx512:
      return "own with 16 lanes";
    case AttentionKernel::kAvx512Bf16:
      return "own with 32 lanes";
    case AttentionKernel::kAmx:
      return "own with AMX";
  }
  return "";
}

}  // namespace

bool can_run(AttentionKernel kernel) {
  switch (kernel) {
    case AttentionKernel::kAten:
      return true;
    case AttentionKernel::kAvx2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    case AttentionKernel::kAvx512:
      return __builtin_cpu_supports("avx512f");
    case AttentionKernel::kAvx512Bf16:
      return __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
    case AttentionKernel::kAmx:
      return can_run(AttentionKernel::kAvx512Bf16) && is_given_tiles();
  }
  return false;
}

CpuKernels choose_cpu_kernels(CpuKernelWish wish, at::Device device, at::ScalarType dtype) {
  if (wish == CpuKernelWish::kAten || !device.is_cpu()) return {};
  if (dtype == at::kBFloat16 && can_run(AttentionKernel::kAvx512Bf16)) {
    // ONEDNN_MAX_CPU_ISA makes hosts of several kinds compute alike.
    const bool has_amx = dnnl::get_effective_cpu_isa() >= dnnl::cpu_isa::avx512_core_amx;
    return {.packs_convolutions = true,
            .multiplies_by_onednn = true,
            .multiplies_by_amx = has_amx,
            .fuses_elementwise = true,
            .attention = has_amx && can_run(AttentionKernel::kAmx) ? AttentionKernel::kAmx
                                                                   : AttentionKernel::kAvx512Bf16};
  }
  if (dtype != at::kFloat || !can_run(AttentionKernel::kAvx2)) return {};
  const bool has_avx512 = can_run(AttentionKernel::kAvx512);
  // MKL has no AVX-512 code for AMD's CPUs; with AVX2, and on Intel's, it is as fast as oneDNN.
  const bool mkl_falls_behind = has_avx512 && cpu_vendor() == "AuthenticAMD";
  return {.packs_convolutions = true,
          .multiplies_by_onednn = wish == CpuKernelWish::kOneDnn || mkl_falls_behind,
          .fuses_elementwise = true,
          .attention = has_avx512 ? AttentionKernel::kAvx512 : AttentionKernel::kAvx2};
}

std::string describe(const CpuKernels& kernels) {
  return fmt::format("convolution {}, product {}, element-wise {}, attention {}{}",
                     kernels.packs_convolutions
                         ? fmt::format("Winograd, a product up to {} cells, and oneDNN", kSmallMapCells)
                         : "ATen",
                     kernels.multiplies_by_amx      ? "oneDNN with AMX"
                     : kernels.multiplies_by_onednn ? "oneDNN"
                                                    : "ATen",
                     kernels.fuses_elementwise ? words_for_vectors() : "ATen", words_for(kernels.attention),
                     kernels.attention == AttentionKernel::kAten ? "" : ", zeros below 2^-126");
}

}  // namespace sdlora::model::kernels
