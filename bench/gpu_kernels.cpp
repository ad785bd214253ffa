// The GPU kernels of our own beside ATen's on shapes of Stable Diffusion 1.5's UNet: microseconds of forward
// and backward together, and the GB/s of ours by the least it must move (forward 3, backward 5 times the
// tensor).
//
//   gpu_kernels [BATCH [bf16|fp16|fp32]]     8 and bf16 where not given
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>

#include <ATen/ATen.h>
#include <c10/cuda/CUDAFunctions.h>

#include "model/kernels/cuda/geglu.h"
#include "model/kernels/cuda/group_norm_silu.h"

namespace {

namespace kernels = sdlora::model::kernels::cuda;

// Of one call among many that the GPU computes back to back.
double microseconds_of(const std::function<void()>& work) {
  constexpr int kCalls = 100;
  for (int i = 0; i < kCalls / 10; ++i) work();
  c10::cuda::device_synchronize();
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < kCalls; ++i) work();
  c10::cuda::device_synchronize();
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count() / kCalls;
}

double forward_and_backward(at::Tensor x, const std::function<at::Tensor(const at::Tensor&)>& function) {
  x = x.detach().set_requires_grad(true);
  const at::Tensor dy = at::randn_like(function(x).detach());
  return microseconds_of([&] {
    x.mutable_grad().reset();
    function(x).backward(dy);
  });
}

void show(const std::string& what, double ours, double by_aten, double least_bytes) {
  std::printf("%-34s ours %8.1f us (%5.0f GB/s)   ATen %8.1f us   %.2fx\n", what.c_str(), ours,
              least_bytes / ours * 1e-3, by_aten, by_aten / ours);
}

void measure_group_norm(int64_t batch, int64_t channels, int64_t cells, at::TensorOptions options) {
  const at::Tensor weight = at::randn({channels}, options), bias = at::randn({channels}, options);
  const at::Tensor x = at::randn({batch, channels, cells, cells}, options);
  const double ours =
      forward_and_backward(x.contiguous(at::MemoryFormat::ChannelsLast), [&](const at::Tensor& input) {
        return kernels::group_norm_silu(input, weight, bias, 32, 1e-5, /*then_silu=*/true);
      });
  const double by_aten = forward_and_backward(
      x, [&](const at::Tensor& input) { return at::silu(at::group_norm(input, 32, weight, bias, 1e-5)); });
  show("norm and SiLU " + std::to_string(channels) + " at " + std::to_string(cells) + "x" +
           std::to_string(cells),
       ours, by_aten, 8.0 * static_cast<double>(x.nbytes()));
}

void measure_geglu(int64_t rows, int64_t channels, at::TensorOptions options) {
  const at::Tensor x = at::randn({rows, 2 * channels}, options);
  const double ours = forward_and_backward(x, kernels::geglu);
  const double by_aten = forward_and_backward(x, [](const at::Tensor& input) {
    const auto halves = input.chunk(2, -1);
    return halves[0] * at::gelu(halves[1]);
  });
  show("GEGLU " + std::to_string(rows) + " x " + std::to_string(channels), ours, by_aten,
       4.0 * static_cast<double>(x.nbytes()));
}

}  // namespace

int main(int argc, char** argv) {
  const int64_t batch = argc > 1 ? std::atoll(argv[1]) : 8;
  const std::string type = argc > 2 ? argv[2] : "bf16";
  if (c10::cuda::device_count() == 0) return std::puts("this machine has no GPU"), 1;
  const auto options = at::TensorOptions(at::kCUDA).dtype(type == "fp32"   ? at::kFloat
                                                          : type == "fp16" ? at::kHalf
                                                                           : at::kBFloat16);
  for (const auto& [channels, cells] :
       {std::pair{320, 64}, {640, 64}, {960, 64}, {640, 32}, {1280, 32}, {1280, 16}, {2560, 16}, {1280, 8}})
    measure_group_norm(batch, channels, cells, options);
  for (const auto& [tokens, channels] : {std::pair{4096, 1280}, {1024, 2560}, {256, 5120}})
    measure_geglu(batch * tokens, channels, options);
}
