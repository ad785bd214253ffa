#include "trainer/run/arithmetic.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include <unistd.h>

namespace sdlora::trainer {
namespace {

// Of oneDNN, MKL, ATen, cuBLAS, cuDNN and the CUDA driver: the instructions they use, the order in which they
// sum, the precision they multiply in. By their beginnings, since every version has new ones.
constexpr std::array<std::string_view, 10> kBeginnings{
    "ATEN_CPU_CAPABILITY=",  "CUBLAS",  "CUDNN",     "DNNL_",        "MKL_",
    "NVIDIA_TF32_OVERRIDE=", "ONEDNN_", "OPENBLAS_", "PYTORCH_TF32", "TORCH_ALLOW_TF32"};

bool changes_arithmetic(std::string_view variable) {
  const bool begins = std::any_of(kBeginnings.begin(), kBeginnings.end(), [&](std::string_view beginning) {
    return variable.starts_with(beginning);
  });
  return begins && variable.find("VERBOSE") == std::string_view::npos;  // which only talk
}

}  // namespace

std::string describe_arithmetic(const model::kernels::CpuKernels& kernels) {
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable)
    if (changes_arithmetic(*variable)) variables.emplace_back(*variable);
  std::sort(variables.begin(), variables.end());
  std::string text = describe(kernels);
  for (const std::string& variable : variables) text += ", " + variable;
  return text;
}

}  // namespace sdlora::trainer
