// The cost of the exact sum beside that of a plain fp32 sum, for the adapter of SD 1.5 at rank 16 (3.2 M
// elements).
#include <ATen/ATen.h>
#include <benchmark/benchmark.h>

#include "comm/exact_sum.h"

namespace sdlora::comm {
namespace {

constexpr int64_t kElements = 3'188'736;

void add_exactly(benchmark::State& state) {
  ExactSum sum(kElements, 0, at::kCPU);
  const at::Tensor terms = at::randn({kElements}) * 1e-6;
  for (auto _ : state) sum.add(0, terms);
}

void totals_exactly(benchmark::State& state) {
  ExactSum sum(kElements, 0, at::kCPU);
  sum.add(0, at::randn({kElements}) * 1e-6);
  for (auto _ : state) benchmark::DoNotOptimize(sum.totals());
}

void add_plainly(benchmark::State& state) {
  at::Tensor sum = at::zeros({kElements});
  const at::Tensor terms = at::randn({kElements}) * 1e-6;
  for (auto _ : state) sum.add_(terms);
}

BENCHMARK(add_exactly)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(totals_exactly)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(add_plainly)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace sdlora::comm

BENCHMARK_MAIN();
