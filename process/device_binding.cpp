#include "process/device_binding.h"

#include <array>
#include <cstdlib>
#include <map>

#include <ATen/Context.h>
#include <c10/cuda/CUDAFunctions.h>
#include <cuda_runtime_api.h>
#include <fmt/format.h>
#include <unistd.h>

#include "comm/fail_together.h"
#include "common/error.h"
#include "common/host.h"

namespace sdlora::process {
namespace {

int usable_gpu_count(DeviceKind choice) {
  const int gpu_count = choice == DeviceKind::kCpu ? 0 : c10::cuda::device_count();
  if (gpu_count == 0 && choice == DeviceKind::kCuda)
    throw Error(ExitCode::kMismatch,
                {.what = "there is no GPU to compute on",
                 .expected = "an NVIDIA GPU and its driver, for --device cuda",
                 .seen = "no usable GPU on this machine",
                 .advice = "use --device cpu, or a machine with a GPU (see nvidia-smi)"});
  return gpu_count;
}

// CUDA numbers what a process may see; the bus says which one it is.
std::string place_of_gpu(int index) {
  std::array<char, 64> bus{};
  if (cudaDeviceGetPCIBusId(bus.data(), static_cast<int>(bus.size()), index) != cudaSuccess)
    throw Error(ExitCode::kMismatch, {.what = "a GPU cannot be told from others",
                                      .expected = "its PCI bus id",
                                      .where = fmt::format("host {}, GPU {}", host_name(), index),
                                      .advice = "see nvidia-smi on that host"});
  return fmt::format("host {}, GPU {}", host_name(), bus.data());
}

// cuBLAS reads its workspace setting when it is first used, so this comes before.
void use_deterministic_kernels() {
  ::setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", /*overwrite=*/0);
  at::Context& context = at::globalContext();
  context.setDeterministicAlgorithms(true, /*warn_only=*/false);
  context.setDeterministicFillUninitializedMemory(false);  // nothing here reads memory before it writes it
  context.setDeterministicCuDNN(true);
}

}  // namespace

int choose_gpu(int visible_gpu_count, int local_rank, int local_size, bool allow_gpu_sharing) {
  if (visible_gpu_count == 1) return 0;
  if (allow_gpu_sharing) return local_rank % visible_gpu_count;
  if (visible_gpu_count < local_size)
    throw Error(ExitCode::kMismatch, {.what = "there are more ranks than GPUs on this machine",
                                      .expected = fmt::format("a GPU for each of {} local ranks", local_size),
                                      .seen = fmt::format("{} GPUs", visible_gpu_count),
                                      .advice = "start fewer ranks a node"});
  return local_rank;
}

void refuse_shared_gpus(const std::vector<std::string>& gpus) {
  std::map<std::string, size_t> owners;
  for (size_t rank = 0; rank < gpus.size(); ++rank) {
    if (gpus[rank].empty()) continue;
    const auto [owner, is_first] = owners.emplace(gpus[rank], rank);
    if (is_first) continue;
    throw Error(ExitCode::kMismatch, {.what = "two ranks would compute on the same GPU",
                                      .expected = "a GPU for each rank",
                                      .seen = fmt::format("ranks {} and {} on one", owner->second, rank),
                                      .where = gpus[rank],
                                      .advice = "start one rank a GPU; --allow-gpu-sharing is for tests"});
  }
}

void check_local_rank(int local_rank) {
  for (const char* variable : {"OMPI_COMM_WORLD_LOCAL_RANK", "SLURM_LOCALID"}) {
    const char* text = std::getenv(variable);
    if (text == nullptr || *text == '\0') continue;
    if (std::atoi(text) == local_rank) return;
    throw Error(ExitCode::kMismatch,
                {.what = "what started the ranks and MPI disagree about the ranks of this host",
                 .expected = fmt::format("local rank {}, as {} says", text, variable),
                 .seen = fmt::format("local rank {}, by the memory that ranks share", local_rank),
                 .advice = "let the ranks of a host share /dev/shm (containers: one IPC namespace)"});
  }
}

at::Device bind_device(const DeviceChoice& choice, comm::Communicator& world) {
  at::Device device = at::kCPU;
  std::string gpu;
  comm::fail_together(world, [&] {
    const int gpu_count = usable_gpu_count(choice.device);
    if (gpu_count == 0) return;
    check_local_rank(world.local_rank());
    const int index = choose_gpu(gpu_count, world.local_rank(), world.local_size(), choice.allow_gpu_sharing);
    if (choice.kernels == GpuKernels::kDeterministic) use_deterministic_kernels();
    at::globalContext().setBenchmarkCuDNN(choice.kernels == GpuKernels::kFastest);
    // fp32 means fp32: TF32 has 10 bits of mantissa.
    at::globalContext().setAllowTF32CuBLAS(false);
    at::globalContext().setAllowTF32CuDNN(false);
    c10::cuda::set_device(static_cast<c10::DeviceIndex>(index));
    device = {at::kCUDA, static_cast<c10::DeviceIndex>(index)};
    gpu = place_of_gpu(index);
  });
  const std::vector<std::string> gpus = world.gather(gpu);
  if (!choice.allow_gpu_sharing) refuse_shared_gpus(gpus);
  return device;
}

}  // namespace sdlora::process
