#include "model/kernels/cpu_kernels.h"

#include <cpuid.h>
#include <dnnl.hpp>
#include <fmt/format.h>

namespace sdlora::model::kernels {
namespace {

// The maker's name as the CPU gives it: "AuthenticAMD", "GenuineIntel".
std::string cpu_vendor() {
  unsigned highest_leaf = 0, parts[3] = {};
  __get_cpuid(0, &highest_leaf, &parts[0], &parts[2], &parts[1]);
  return {reinterpret_cast<const char*>(parts), sizeof parts};
}

}  // namespace

CpuKernels choose_cpu_kernels(CpuKernelWish wish, at::Device device, at::ScalarType dtype) {
  const bool has_avx512 = __builtin_cpu_supports("avx512f");
  const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (wish == CpuKernelWish::kAten || !device.is_cpu()) return {};
  if (dtype == at::kBFloat16 && __builtin_cpu_supports("avx512bf16"))
    return {.packs_convolutions = true,
            .multiplies_by_onednn = true,
            .multiplies_by_amx = dnnl::get_effective_cpu_isa() >= dnnl::cpu_isa::avx512_core_amx,
            .attention_lanes = 32};
  if (dtype != at::kFloat || !has_avx2) return {};
  // MKL has no AVX-512 code for AMD's CPUs; with AVX2, and on Intel's, it is as fast as oneDNN.
  const bool mkl_falls_behind = has_avx512 && cpu_vendor() == "AuthenticAMD";
  return {.packs_convolutions = true,
          .multiplies_by_onednn = wish == CpuKernelWish::kOneDnn || mkl_falls_behind,
          .attention_lanes = has_avx512 ? 16 : 8};
}

std::string describe(const CpuKernels& kernels) {
  return fmt::format(
      "convolution {}, product {}, attention {}", kernels.packs_convolutions ? "Winograd and oneDNN" : "ATen",
      kernels.multiplies_by_amx      ? "oneDNN with AMX"
      : kernels.multiplies_by_onednn ? "oneDNN"
                                     : "ATen",
      kernels.attention_lanes > 0 ? fmt::format("own with {} lanes", kernels.attention_lanes) : "ATen");
}

}  // namespace sdlora::model::kernels
