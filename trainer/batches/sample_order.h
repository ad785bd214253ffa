// Which sample stands at which position of a run. Epoch after epoch, each a permutation of its own of all
// samples; batches run across the ends of epochs, so that no sample is dropped or seen more often than
// another.
//
// Samples of several sizes do not fit into one forward. Each size then has such a row of permutations of its
// own, cut into micro-batches; an epoch holds, in an order of its own, those micro-batches that each size's
// row has filled by then. What does not fill one is carried into the next epoch.
#pragma once

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

namespace sdlora::trainer {

struct OrderedSample {
  int64_t sample;
  int64_t epoch;  // counted from 0

  bool operator==(const OrderedSample&) const = default;
};

class SampleOrder {
 public:
  // `groups`: the samples of each size, each as often as an epoch has it. `micro_batch_size` has a part in
  // the order of several groups only.
  SampleOrder(std::vector<std::vector<int64_t>> groups, int64_t micro_batch_size, uint64_t run_seed);

  // At `position`, counted from the start of the run: steps done × batch size + slot.
  //
  // Entry p of the row of group g is groups[g][permutation(p / n)[p % n]], n being the group's size and
  // permutation(e) torch.randperm(n, generator=torch.Generator().manual_seed(
  // seed_of(run_seed, e, g, kPermutation))). With one group that is the entry at `position`.
  //
  // With several, micro-batch k of a group's row is of the epoch in which it is filled: e with
  // e · n / m ≤ k < (e + 1) · n / m, rounded down, m being the micro-batch size. Epoch e's micro-batches,
  // group by group, are permuted by seed_of(run_seed, e, 0, kMicroBatchOrder).
  OrderedSample at(int64_t position);

  // Groups of which no micro-batch is full in the epochs of the first `position_count` positions: not one of
  // their samples stands there.
  std::vector<size_t> groups_without_micro_batch(int64_t position_count) const;

  const std::vector<std::vector<int64_t>>& groups() const { return groups_; }

  // Of an epoch, with repeats.
  int64_t epoch_size() const { return epoch_size_; }

 private:
  struct MicroBatchPlace {
    size_t group;
    int64_t number;  // in the group's row
  };

  int64_t entry_of(size_t group, int64_t place);
  int64_t micro_batches_before(int64_t epoch) const;
  int64_t epoch_of_micro_batch(int64_t micro_batch) const;
  const std::vector<MicroBatchPlace>& micro_batches_of(int64_t epoch);
  const std::vector<int64_t>& permutation_of(size_t group, int64_t epoch);

  std::vector<std::vector<int64_t>> groups_;
  int64_t micro_batch_size_;
  uint64_t run_seed_;
  int64_t epoch_size_ = 0;
  // By group and epoch, of each group the last few that were asked for; then by epoch, likewise.
  std::map<std::pair<size_t, int64_t>, std::vector<int64_t>> permutations_;
  std::map<int64_t, std::vector<MicroBatchPlace>> micro_batches_;
};

}  // namespace sdlora::trainer
