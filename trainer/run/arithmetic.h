// What decides how numbers are rounded on the CPU, in words: to compare ranks by, and a run with its
// checkpoint.
#pragma once

#include <string>

#include "model/kernels/cpu_kernels.h"

namespace sdlora::trainer {

// The kernels, and the variables of the environment that change what the libraries behind them compute:
// "oneDNN, DNNL_MAX_CPU_ISA=AVX2".
std::string describe_arithmetic(const model::kernels::CpuKernels& kernels);

}  // namespace sdlora::trainer
