// Which slots of the global batch a rank computes, and in which portions.
#pragma once

#include <cstdint>
#include <vector>

namespace sdlora::trainer {

struct BatchShare {
  int64_t batch_size;        // samples per step over all ranks
  int64_t micro_batch_size;  // samples per forward
  int64_t first_slot;        // of this rank
  int64_t slot_count;        // of this rank: batch_size / ranks

  int64_t micro_batch_count() const { return batch_size / micro_batch_size; }  // of all ranks

  // The first slot of each of this rank's.
  std::vector<int64_t> micro_batches() const;
};

// Splits the batch: ranks × micro-batch must divide it. `micro_batch_size` 0: batch size / ranks.
// Throws Error(kUsage) with the arithmetic when it does not.
BatchShare share_batch(int64_t batch_size, int64_t micro_batch_size, int rank, int rank_count);

}  // namespace sdlora::trainer
