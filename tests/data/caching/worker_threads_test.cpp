#include "data/caching/worker_threads.h"

#include <atomic>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

namespace sdlora::data {
namespace {

TEST(WorkerThreads, EachRunsTheWorkOnceOnAThreadOfItsOwn) {
  std::mutex mutex;
  std::set<std::thread::id> seen;
  run_on_threads(4, [&] {
    const std::lock_guard lock(mutex);
    seen.insert(std::this_thread::get_id());
  });
  EXPECT_EQ(seen.size(), 4u);
  EXPECT_TRUE(seen.contains(std::this_thread::get_id()));
}

TEST(WorkerThreads, AFailureOnAnyThreadIsThrownAfterAllAreDone) {
  std::atomic<int> started = 0;
  std::atomic<int> finished = 0;
  const auto work = [&] {
    if (started++ == 2) throw std::runtime_error("the third one fails");
    ++finished;
  };
  EXPECT_THROW(run_on_threads(5, work), std::runtime_error);
  EXPECT_EQ(finished, 4);
}

TEST(WorkerThreads, KernelsKeepToTheThreadThatCallsThem) {
  use_one_thread_per_kernel();
  run_on_threads(3, [] {
    at::init_num_threads();
    EXPECT_EQ(at::get_num_threads(), 1);
  });
}

}  // namespace
}  // namespace sdlora::data
