// What this CPU reaches at most on the products and convolutions of Stable Diffusion 1.5's UNet: oneDNN,
// fp32, weights packed beforehand, nothing else done. bench/compare.py divides by it.
//
//   peak --cells 64 --batch 1 --threads 2          64: latents of 64×64 cells, pictures of 512×512
//
// Prints GFLOP/s by shape, and last the rate of the whole mixture: every shape weighs as much as its level
// has operations in a forward.
#include <chrono>
#include <cstdio>
#include <functional>
#include <string>

#include <dnnl.hpp>
#include <omp.h>

namespace {

using dnnl::memory;
using Tag = memory::format_tag;

struct Machine {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
};

memory::desc layout(const memory::dims& shape, Tag tag) {
  return {shape, memory::data_type::f32, tag};
}

// The least of five times.
double seconds_of(const std::function<void()>& work) {
  work();
  double least = 1e9;
  for (int i = 0; i < 5; ++i) {
    const auto start = std::chrono::steady_clock::now();
    work();
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    least = std::min(least, seconds);
  }
  return least;
}

// [batch, channels, cells, cells], 3×3
double convolution_rate(Machine& machine, int64_t batch, int64_t channels, int64_t cells) {
  const memory::dims activations{batch, channels, cells, cells}, ones{1, 1};
  const dnnl::convolution_forward::primitive_desc plan(
      machine.engine, dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct,
      layout(activations, Tag::nhwc), layout({channels, channels, 3, 3}, Tag::any),
      layout(activations, Tag::nhwc), ones, ones, ones);
  memory x(plan.src_desc(), machine.engine), weight(plan.weights_desc(), machine.engine),
      y(plan.dst_desc(), machine.engine);
  const dnnl::convolution_forward convolution(plan);
  const double seconds = seconds_of([&] {
    convolution.execute(machine.stream, {{DNNL_ARG_SRC, x}, {DNNL_ARG_WEIGHTS, weight}, {DNNL_ARG_DST, y}});
    machine.stream.wait();
  });
  return 18.0 * static_cast<double>(batch * channels * channels * cells * cells) / seconds;
}

// [rows, in] · [in, out]
double product_rate(Machine& machine, int64_t rows, int64_t in, int64_t out) {
  const dnnl::inner_product_forward::primitive_desc plan(
      machine.engine, dnnl::prop_kind::forward_inference, layout({rows, in}, Tag::ab),
      layout({out, in}, Tag::any), layout({rows, out}, Tag::ab));
  memory x(plan.src_desc(), machine.engine), weight(plan.weights_desc(), machine.engine),
      y(plan.dst_desc(), machine.engine);
  const dnnl::inner_product_forward product(plan);
  const double seconds = seconds_of([&] {
    product.execute(machine.stream, {{DNNL_ARG_SRC, x}, {DNNL_ARG_WEIGHTS, weight}, {DNNL_ARG_DST, y}});
    machine.stream.wait();
  });
  return 2.0 * static_cast<double>(rows * in * out) / seconds;
}

}  // namespace

int main(int argc, char** argv) {
  int64_t cells = 64, batch = 1;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string option = argv[i];
    if (option == "--cells") cells = std::stol(argv[i + 1]);
    if (option == "--batch") batch = std::stol(argv[i + 1]);
    if (option == "--threads") omp_set_num_threads(std::stoi(argv[i + 1]));
  }

  // Operations of a forward, in 10⁹, of the 3×3 convolutions and of the linear layers of each level.
  struct Level {
    int64_t channels, divisor;
    double convolution_share, product_share;
  };

  Machine machine;
  double operations = 0, seconds = 0;
  for (const Level& level : {Level{320, 1, 136.1, 91.9}, Level{640, 2, 130.2, 91.9},
                             Level{1280, 4, 100.0, 91.9}, Level{1280, 8, 34.0, 4.2}}) {
    const int64_t side = cells / level.divisor;
    const double convolution = convolution_rate(machine, batch, level.channels, side);
    const double product = product_rate(machine, batch * side * side, level.channels, 4 * level.channels);
    std::printf("%ld channels, %ld×%ld cells: convolution %.0f, product %.0f GFLOP/s\n",
                static_cast<long>(level.channels), static_cast<long>(side), static_cast<long>(side),
                convolution * 1e-9, product * 1e-9);
    operations += level.convolution_share + level.product_share;
    seconds += level.convolution_share / convolution + level.product_share / product;
  }
  std::printf("mixture %.1f GFLOP/s\n", operations / seconds * 1e-9);
}
