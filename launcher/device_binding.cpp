#include "launcher/device_binding.h"

#include <ATen/Context.h>
#include <c10/cuda/CUDAFunctions.h>
#include <fmt/format.h>

#include "common/error.h"

namespace sdlora::launcher {

at::Device bind_device(const std::string& choice, int local_rank, int local_size) {
  if (choice != "auto" && choice != "cpu" && choice != "cuda")
    throw Error(ExitCode::kUsage,
                Problem{.what = "--device is not known", .expected = "auto, cpu or cuda", .seen = choice});
  const int gpu_count = choice == "cpu" ? 0 : c10::cuda::device_count();
  if (gpu_count == 0) {
    if (choice == "cuda")
      throw Error(ExitCode::kMismatch,
                  Problem{.what = "there is no GPU to compute on",
                          .expected = "an NVIDIA GPU and its driver, for --device cuda",
                          .seen = "no usable GPU on this machine",
                          .advice = "use --device cpu, or a machine with a GPU (see nvidia-smi)"});
    return at::kCPU;
  }
  if (gpu_count > 1 && gpu_count < local_size)
    throw Error(ExitCode::kMismatch,
                Problem{.what = "there are more ranks than GPUs on this machine",
                        .expected = fmt::format("a GPU for each of {} local ranks", local_size),
                        .seen = fmt::format("{} GPUs", gpu_count),
                        .advice = "start fewer ranks a node"});
  // fp32 means fp32: TF32 has 10 bits of mantissa.
  at::globalContext().setAllowTF32CuBLAS(false);
  at::globalContext().setAllowTF32CuDNN(false);
  const int index = gpu_count == 1 ? 0 : local_rank;
  c10::cuda::set_device(static_cast<c10::DeviceIndex>(index));
  return {at::kCUDA, static_cast<c10::DeviceIndex>(index)};
}

}  // namespace sdlora::launcher
