// The small UNet with an adapter, computed on a GPU and on the CPU. Where there is no GPU, skipped, with that
// as the reason.
#include <cstdlib>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <c10/cuda/CUDAFunctions.h>
#include <gtest/gtest.h>

#include "common/seeds.h"
#include "lora/adapter.h"
#include "model/model_source.h"

namespace sdlora::lora {
namespace {

struct Computed {
  at::Tensor prediction, gradients;  // on the CPU, f32
};

Computed compute(const model::ComputeMode& mode, LoraKind kind) {
  const auto values = [&](at::IntArrayRef shape, uint64_t seed) {
    return at::randn(shape, generator_for(seed), at::kFloat).to(mode.device, mode.dtype);
  };
  model::UNet unet = model::ModelSource(std::getenv("SDLORA_TINY_MODEL")).load_unet(mode);
  Adapter adapter(unet, {.kind = kind, .rank = 4, .alpha = 1, .targets = "full"}, 7, mode.device);
  {
    const c10::NoGradGuard no_gradients;  // B is 0 at the start, and with it A's gradient
    adapter.parameters().add_(
        (at::randn({adapter.parameter_count()}, generator_for(3), at::kFloat) * 0.05).to(mode.device));
  }
  const at::Tensor prediction =
      unet.forward(values({2, 4, 8, 8}, 1), at::tensor({500, 20}, at::kLong).to(mode.device),
                   values({2, 77, unet.config().levels.front().context_channels}, 2));
  EXPECT_TRUE(!mode.device.is_cuda() || prediction.is_contiguous(at::MemoryFormat::ChannelsLast));
  prediction.to(at::kFloat).square().mean().backward();
  return {.prediction = prediction.detach().to(at::kCPU, at::kFloat),
          .gradients = adapter.gradients().to(at::kCPU)};
}

double relative_difference(const at::Tensor& a, const at::Tensor& b) {
  return ((a - b).norm() / b.norm()).item<double>();
}

class AdapterOnAGpu : public testing::TestWithParam<std::tuple<LoraKind, at::ScalarType, double>> {};

TEST_P(AdapterOnAGpu, LearnsWhatItLearnsOnTheCpu) {
  if (c10::cuda::device_count() == 0) GTEST_SKIP() << "this machine has no GPU";
  at::globalContext().setAllowTF32CuBLAS(false);
  at::globalContext().setAllowTF32CuDNN(false);
  const auto& [kind, type, tolerance] = GetParam();
  const Computed here =
      compute(model::compute_mode_on(at::kCPU, at::kFloat, model::kernels::CpuKernelWish::kAten), kind);
  const Computed there =
      compute(model::compute_mode_on(at::kCUDA, type, model::kernels::CpuKernelWish::kAten), kind);
  EXPECT_LT(relative_difference(there.prediction, here.prediction), tolerance);
  EXPECT_LT(relative_difference(there.gradients, here.gradients), tolerance);
}

INSTANTIATE_TEST_SUITE_P(KindsAndTypes, AdapterOnAGpu,
                         testing::Values(std::tuple{LoraKind::kLora, at::kFloat, 1e-4},
                                         std::tuple{LoraKind::kLora, at::kHalf, 0.02},
                                         std::tuple{LoraKind::kLora, at::kBFloat16, 0.15},
                                         std::tuple{LoraKind::kDora, at::kFloat, 1e-4},
                                         std::tuple{LoraKind::kDora, at::kHalf, 0.02},
                                         std::tuple{LoraKind::kDora, at::kBFloat16, 0.15}));

}  // namespace
}  // namespace sdlora::lora
