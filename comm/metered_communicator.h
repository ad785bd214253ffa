// Tells what sums over all ranks cost.
#pragma once

#include <functional>

#include "comm/communicator.h"

namespace sdlora::comm {

// This rank's part of one all_reduce_sum(). Over NCCL, where nothing waits for the device, the time is that
// of handing the tensor over; the waiting shows where the sum is read.
using OnSum = std::function<void(int64_t bytes, double seconds)>;

// All calls go to `inner`, which must outlive it; `on_sum` is called after each sum.
std::unique_ptr<Communicator> make_metered_communicator(Communicator& inner, OnSum on_sum);

}  // namespace sdlora::comm
