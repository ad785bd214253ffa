// What the ranks pay for a sum that does not depend on their number, beside a plain fp32 all-reduce:
//
//   mpirun -np 2 build/tests/all_reduce_benchmark 3188736        gradients of that many parameters (SD 1.5,
//   rank 16)
//
// One JSON object per line from rank 0; medians over the repetitions, each as long as the slowest rank takes.
#include <algorithm>
#include <chrono>
#include <functional>
#include <iostream>
#include <string>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include "comm/exact_sum.h"
#include "comm/run_program.h"

namespace {

using sdlora::comm::Communicator;
using Clock = std::chrono::steady_clock;

constexpr int kRepetitions = 15;
constexpr int64_t kDefaultParameterCount = 3'188'736;

// (all ranks)
double median_milliseconds(Communicator& world, const std::function<void()>& work) {
  std::vector<double> times;
  work();  // memory is touched, connections are made
  for (int i = 0; i < kRepetitions; ++i) {
    world.barrier();
    const Clock::time_point start = Clock::now();
    work();
    world.barrier();
    times.push_back(std::chrono::duration<double, std::milli>(Clock::now() - start).count());
  }
  std::nth_element(times.begin(), times.begin() + kRepetitions / 2, times.end());
  return times[kRepetitions / 2];
}

// (all ranks)
void report(Communicator& world, const std::string& what, int64_t bytes, const std::function<void()>& work) {
  const double milliseconds = median_milliseconds(world, work);
  if (world.rank() == 0)
    std::cout << fmt::format(R"({{"what": "{}", "ranks": {}, "bytes": {}, "milliseconds": {:.3f}}})", what,
                             world.size(), bytes, milliseconds)
              << std::endl;
}

}  // namespace

int main(int argc, char** argv) {
  return sdlora::comm::run_program(&argc, &argv, [&](Communicator& world) {
    at::set_num_threads(1);
    const int64_t parameter_count = argc > 1 ? std::stoll(argv[1]) : kDefaultParameterCount;
    const at::Tensor gradients = at::randn({parameter_count}) * 1e-6;
    at::Tensor plain = at::zeros({parameter_count});
    sdlora::comm::ExactSum exact(parameter_count, 0, at::kCPU);
    const auto plain_bytes = static_cast<int64_t>(plain.nbytes());
    const auto exact_bytes = static_cast<int64_t>(exact.words().nbytes());

    at::Tensor nothing = at::zeros({1}, at::kLong);
    report(world, "all-reduce of 8 bytes", 8, [&] { world.all_reduce_sum(nothing); });
    report(world, "plain: all-reduce", plain_bytes, [&] { world.all_reduce_sum(plain); });
    report(world, "exact: all-reduce", exact_bytes, [&] { world.all_reduce_sum(exact.words()); });
    report(world, "plain: add and all-reduce", plain_bytes, [&] {
      plain.zero_().add_(gradients);
      world.all_reduce_sum(plain);
    });
    report(world, "exact: add, all-reduce and round", exact_bytes, [&] {
      exact.reset();
      exact.add(0, gradients);
      world.all_reduce_sum(exact.words());
      const at::Tensor totals = exact.totals();
    });
  });
}
