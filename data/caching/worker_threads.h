// The threads that encode. Each encodes pictures or captions of its own, on one core: the kernels round
// differently when they share one picture among threads, so that the files would depend on the number of
// threads; and this is faster.
#pragma once

#include <functional>

namespace sdlora::data {

// Makes ATen's kernels, on every thread of this process, use the thread that calls them and no other.
void use_one_thread_per_kernel();

// Runs `work` on `thread_count` threads (this one is one of them) and waits for all. `work` takes items from
// a common source until there are none; when it throws on one thread the others run on, and the first
// exception is thrown here.
void run_on_threads(int thread_count, const std::function<void()>& work);

}  // namespace sdlora::data
