// MPI counts elements in an int; longer messages go in parts.
#pragma once

#include <algorithm>
#include <cstdint>

namespace sdlora::comm {

// Calls send(first, count) for consecutive parts of at most `max_count` that cover 0 … total-1; not at all
// for total 0.
template <typename Send>
void for_each_part(int64_t total, int64_t max_count, const Send& send) {
  for (int64_t first = 0; first < total; first += max_count) send(first, std::min(max_count, total - first));
}

}  // namespace sdlora::comm
