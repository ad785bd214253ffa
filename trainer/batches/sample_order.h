// Which sample stands at which position of a run. Epoch after epoch, each a permutation of all samples of its
// own; batches run across the ends of epochs, so that no sample is dropped or seen more often than another.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

namespace sdlora::trainer {

class SampleOrder {
 public:
  SampleOrder(int64_t sample_count, uint64_t run_seed) : sample_count_(sample_count), run_seed_(run_seed) {}

  // The sample at `position`, counted from the start of the run: steps done × batch size + slot.
  // It is permutation(position / n)[position % n], where permutation(e) is
  // torch.randperm(n, generator=torch.Generator().manual_seed(seed_of(run_seed, e, 0, kPermutation))).
  int64_t sample_at(int64_t position);

 private:
  const std::vector<int64_t>& permutation_of(int64_t epoch);

  int64_t sample_count_;
  uint64_t run_seed_;
  std::map<int64_t, std::vector<int64_t>> permutations_;  // by epoch; of the last two that were asked for
};

}  // namespace sdlora::trainer
