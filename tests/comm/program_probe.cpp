// A program that ends in the way its argument asks for; program_test.py looks at what is seen from outside.
#include <atomic>
#include <chrono>
#include <iostream>
#include <stdexcept>
#include <string>
#include <thread>

#include <ATen/Parallel.h>

#include "comm/fail_together.h"
#include "comm/run_program.h"
#include "common/error.h"

using sdlora::Error;
using sdlora::ExitCode;
using sdlora::Problem;
using sdlora::comm::Communicator;

namespace {

// On all threads of ATen's and one begun by hand: products below 2⁻¹²⁶ that are not 0.
void count_denormals() {
  std::atomic<int> count = 0;
  const auto multiply = [&] {
    volatile float small = 1e-20F;
    if (small * small > 0) ++count;
  };
  at::parallel_for(0, at::get_num_threads(), /*grain_size=*/1, [&](int64_t, int64_t) { multiply(); });
  std::thread(multiply).join();
  std::cout << count << " denormals" << std::endl;
}

void end_as_asked(Communicator& world, const std::string& how) {
  const bool is_last = world.rank() == world.size() - 1;
  if (how == "usage") throw Error(ExitCode::kUsage, {.what = "unknown option --foo"});
  if (how == "agreed")
    sdlora::comm::fail_together(world, [&] {
      if (is_last) throw Error(ExitCode::kBadData, {.what = "the shard is torn", .where = "shard-00000.h5"});
    });
  if (how == "alone" && is_last) throw Error(ExitCode::kIo, {.what = "the disk is full"});
  if (how == "defect" && is_last) throw std::logic_error("impossible state");
  if (how == "differently")
    throw Error(is_last ? ExitCode::kIo : ExitCode::kMismatch,
                {.what = "trouble number " + std::to_string(world.rank())});
  if (how == "staggered") {
    std::this_thread::sleep_for(std::chrono::milliseconds(300 * world.rank()));
    throw Error(ExitCode::kDiverged, {.what = "the loss is not finite"});
  }
  if (how == "denormals") count_denormals();
  world.barrier();
  if (world.rank() == 0) std::cout << "done on " << world.size() << " ranks" << std::endl;
}

}  // namespace

int main(int argc, char** argv) {
  return sdlora::comm::run_program(&argc, &argv, [&](Communicator& world) { end_as_asked(world, argv[1]); });
}
