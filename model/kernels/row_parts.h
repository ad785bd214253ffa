// Rows of numbers, shared out to the threads.
#pragma once

#include <algorithm>
#include <cstdint>

#include <ATen/Parallel.h>

namespace sdlora::model::kernels {

constexpr int64_t kNumbersPerThread = 16'384;  // below, a second thread costs more than it helps

// Calls work(first row, rows) for parts of `rows`, each on some thread.
template <typename Work>
void for_each_row_part(int64_t rows, int64_t numbers_per_row, const Work& work) {
  at::parallel_for(0, rows, std::max<int64_t>(1, kNumbersPerThread / numbers_per_row),
                   [&](int64_t first, int64_t last) { work(first, last - first); });
}

}  // namespace sdlora::model::kernels
