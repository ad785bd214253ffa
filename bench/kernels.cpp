// The kernels of our own on the shapes of Stable Diffusion 1.5's UNet, one by one: convolutions, products and
// attention, forward and backward, in GFLOP/s of the direct method (so that Winograd's may exceed the peak).
//
//   kernels --cells 64 --threads 2
//   kernels --precision bf16
#include <chrono>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "model/kernels/blocked_attention.h"
#include "model/kernels/convolution_kernel.h"
#include "model/kernels/cpu_kernels.h"
#include "model/kernels/matrix_product.h"
#include "model/kernels/patch_convolution.h"
#include "model/kernels/winograd_convolution.h"
#include "model/layers/attention.h"

namespace {

namespace kernels = sdlora::model::kernels;

// The least of three times, after one that is not counted.
double seconds_of(const std::function<void()>& work) {
  work();
  double least = 1e9;
  for (int i = 0; i < 3; ++i) {
    const auto start = std::chrono::steady_clock::now();
    work();
    least = std::min(least, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return least;
}

double rate(double operations, const std::function<void()>& work) {
  return operations / seconds_of(work) * 1e-9;
}

void measure_convolution(int64_t in, int64_t out, int64_t cells, bool by_onednn, at::ScalarType dtype) {
  const at::Tensor weight = at::randn({out, in, 3, 3}, dtype), bias = at::randn({out}, dtype);
  const auto kernel = kernels::make_convolution_kernel(
      weight, bias, {.stride = 1, .padding = 1, .expected_cells = cells * cells}, by_onednn);
  const at::Tensor x = at::randn({1, in, cells, cells}, dtype).contiguous(at::MemoryFormat::ChannelsLast);
  const at::Tensor dy = at::randn({1, out, cells, cells}, dtype).contiguous(at::MemoryFormat::ChannelsLast);
  const double operations = 18.0 * static_cast<double>(in * out * cells * cells);
  std::printf("convolution %4ld -> %4ld at %2ld²: ours %4.0f / %4.0f, ATen forward %4.0f\n", in, out, cells,
              rate(operations, [&] { kernel->forward(x); }),
              rate(operations, [&] { kernel->input_gradient(dy, x.sizes()); }),
              rate(operations, [&] { at::conv2d(x, weight, bias, 1, 1); }));
}

// Both ways of a small map, whose time is that of reading the weight: each call has another, as in a model,
// whose weights are not in the cache.
void measure_small_map(int64_t in, int64_t out, int64_t cells, bool by_onednn, at::ScalarType dtype) {
  constexpr int kWeights = 12;
  const at::Tensor bias = at::randn({out}, dtype);
  std::vector<std::shared_ptr<kernels::ConvolutionKernel>> winograd, product;
  for (int i = 0; i < kWeights; ++i) {
    const at::Tensor weight = at::randn({out, in, 3, 3}, dtype);
    winograd.push_back(std::make_shared<kernels::WinogradConvolution>(weight, bias, by_onednn));
    product.push_back(std::make_shared<kernels::PatchConvolution>(weight, bias));
  }
  const at::Tensor x = at::randn({1, in, cells, cells}, dtype).contiguous(at::MemoryFormat::ChannelsLast);
  const at::Tensor dy = at::randn({1, out, cells, cells}, dtype).contiguous(at::MemoryFormat::ChannelsLast);
  const double operations = kWeights * 18.0 * static_cast<double>(in * out * cells * cells);
  const auto forward = [&](const auto& all) {
    return rate(operations, [&] {
      for (const auto& kernel : all) kernel->forward(x);
    });
  };
  const auto backward = [&](const auto& all) {
    return rate(operations, [&] {
      for (const auto& kernel : all) kernel->input_gradient(dy, x.sizes());
    });
  };
  std::printf(
      "convolution %4ld -> %4ld at %2ld², weights from memory: Winograd %4.0f / %4.0f, product %4.0f / "
      "%4.0f\n",
      in, out, cells, forward(winograd), backward(winograd), forward(product), backward(product));
}

void measure_product(int64_t rows, int64_t in, int64_t out, at::ScalarType dtype) {
  const at::Tensor x = at::randn({rows, in}, dtype), weight = at::randn({out, in}, dtype),
                   dy = at::randn({rows, out}, dtype);
  const double operations = 2.0 * static_cast<double>(rows * in * out);
  const auto both = [&](bool by_onednn) {
    return std::pair{rate(operations, [&] { kernels::matrix_product(x, weight.t(), {}, by_onednn); }),
                     rate(operations, [&] { kernels::matrix_product(dy, weight, {}, by_onednn); })};
  };
  const auto onednn = both(true), aten = both(false);
  std::printf("product %4ld x %4ld x %5ld: oneDNN %4.0f / %4.0f, ATen %4.0f / %4.0f\n", rows, in, out,
              onednn.first, onednn.second, aten.first, aten.second);
}

void measure_attention(int64_t queries, int64_t keys, int64_t channels, at::ScalarType dtype) {
  const auto input = [&](int64_t rows) {
    return at::randn({1, rows, channels}, dtype).set_requires_grad(true);
  };
  const at::Tensor q = input(queries), k = input(keys), v = input(keys),
                   dout = at::randn({1, queries, channels}, dtype);
  const double operations = 4.0 * static_cast<double>(queries * keys * channels);
  const auto both = [&](kernels::AttentionKernel kernel) {
    const auto forward = [&] {
      return kernel == kernels::AttentionKernel::kAten
                 ? sdlora::model::scaled_dot_product_attention(q, k, v, 8)
                 : kernels::blocked_attention(q, k, v, 8, kernel);
    };
    const double forward_seconds = seconds_of(forward);
    const double both_seconds = seconds_of([&] { forward().backward(dout); });
    return std::pair{operations / forward_seconds * 1e-9,
                     2 * operations / (both_seconds - forward_seconds) * 1e-9};
  };
  using enum kernels::AttentionKernel;
  std::printf("attention %4ld x %4ld, 8 x %3ld:", queries, keys, channels / 8);
  for (const auto& [kernel, name] :
       dtype == at::kFloat
           ? std::vector{std::pair{kAten, "ATen"}, {kAvx2, ", AVX2"}, {kAvx512, ", AVX-512"}}
           : std::vector{std::pair{kAten, "ATen"}, {kAvx512Bf16, ", AVX-512"}, {kAmx, ", AMX"}}) {
    if (!kernels::can_run(kernel)) continue;
    const auto rates = both(kernel);
    std::printf("%s %4.0f / %4.0f", name, rates.first, rates.second);
  }
  std::printf("\n");
}

}  // namespace

int main(int argc, char** argv) {
  int64_t cells = 64;
  at::ScalarType dtype = at::kFloat;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::string(argv[i]) == "--cells") cells = std::atol(argv[i + 1]);
    if (std::string(argv[i]) == "--precision" && std::string(argv[i + 1]) == "bf16") dtype = at::kBFloat16;
    if (std::string(argv[i]) == "--threads") at::set_num_threads(std::atoi(argv[i + 1]));
  }
  const kernels::CpuKernels chosen =
      kernels::choose_cpu_kernels(kernels::CpuKernelWish::kAuto, at::kCPU, dtype);
  std::printf("%s, %d threads; GFLOP/s forward / backward\n", describe(chosen).c_str(),
              at::get_num_threads());
  for (const auto& [in, out, shrink] : {std::tuple{320, 320, 1},
                                        {960, 320, 1},
                                        {640, 640, 2},
                                        {1920, 640, 2},
                                        {1280, 1280, 4},
                                        {2560, 1280, 4},
                                        {1280, 1280, 8},
                                        {2560, 1280, 8}})
    measure_convolution(in, out, cells / shrink, chosen.multiplies_by_onednn, dtype);
  for (const int64_t side : {4, 8, 16})
    measure_small_map(1280, 1280, side, chosen.multiplies_by_onednn, dtype);
  for (const auto& [channels, shrink] :
       {std::pair<int64_t, int64_t>{320, 1}, {640, 2}, {1280, 4}, {1280, 8}}) {
    const int64_t rows = cells * cells / shrink / shrink;
    measure_product(rows, channels, channels, dtype);
    measure_product(rows, channels, 8 * channels, dtype);
    measure_product(rows, 4 * channels, channels, dtype);
    if (shrink == 8) continue;
    measure_attention(rows, rows, channels, dtype);
    measure_attention(rows, 77, channels, dtype);
  }
}
