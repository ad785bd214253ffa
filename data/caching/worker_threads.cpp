#include "data/caching/worker_threads.h"

#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include <ATen/Parallel.h>

namespace sdlora::data {

void use_one_thread_per_kernel() {
  at::set_num_threads(1);
}

void run_on_threads(int thread_count, const std::function<void()>& work) {
  std::mutex mutex;
  std::exception_ptr first_failure;
  const auto guarded_work = [&] {
    try {
      work();
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!first_failure) first_failure = std::current_exception();
    }
  };
  {
    std::vector<std::jthread> threads;
    for (int thread = 1; thread < thread_count; ++thread) threads.emplace_back(guarded_work);
    guarded_work();
  }
  if (first_failure) std::rethrow_exception(first_failure);
}

}  // namespace sdlora::data
