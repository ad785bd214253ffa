#include "trainer/batches/sample_order.h"

#include <iterator>

#include <ATen/ATen.h>

#include "common/seeds.h"

namespace sdlora::trainer {
namespace {

// torch.randperm(count)
std::vector<int64_t> permutation(int64_t count, uint64_t seed) {
  const at::Tensor order = at::randperm(count, generator_for(seed), at::kLong);
  const auto* first = order.const_data_ptr<int64_t>();
  return {first, first + count};
}

int64_t size_of(const std::vector<int64_t>& group) {
  return static_cast<int64_t>(group.size());
}

}  // namespace

SampleOrder::SampleOrder(std::vector<std::vector<int64_t>> groups, int64_t micro_batch_size,
                         uint64_t run_seed)
    : groups_(std::move(groups)), micro_batch_size_(micro_batch_size), run_seed_(run_seed) {
  for (const std::vector<int64_t>& group : groups_) epoch_size_ += size_of(group);
}

OrderedSample SampleOrder::at(int64_t position) {
  if (groups_.size() == 1) return {.sample = entry_of(0, position), .epoch = position / size_of(groups_[0])};
  const int64_t micro_batch = position / micro_batch_size_;
  const int64_t epoch = epoch_of_micro_batch(micro_batch);
  const auto [group, number] =
      micro_batches_of(epoch)[static_cast<size_t>(micro_batch - micro_batches_before(epoch))];
  const int64_t place = number * micro_batch_size_ + position % micro_batch_size_;
  return {.sample = entry_of(group, place), .epoch = epoch};
}

std::vector<size_t> SampleOrder::groups_without_micro_batch(int64_t position_count) const {
  std::vector<size_t> groups;
  if (groups_.size() == 1 || position_count == 0) return groups;
  const int64_t epochs = epoch_of_micro_batch((position_count - 1) / micro_batch_size_) + 1;
  for (size_t group = 0; group < groups_.size(); ++group)
    if (epochs * size_of(groups_[group]) < micro_batch_size_) groups.push_back(group);
  return groups;
}

int64_t SampleOrder::entry_of(size_t group, int64_t place) {
  const int64_t count = size_of(groups_[group]);
  const int64_t entry = permutation_of(group, place / count)[static_cast<size_t>(place % count)];
  return groups_[group][static_cast<size_t>(entry)];
}

// Of all groups.
int64_t SampleOrder::micro_batches_before(int64_t epoch) const {
  int64_t count = 0;
  for (const std::vector<int64_t>& group : groups_) count += epoch * size_of(group) / micro_batch_size_;
  return count;
}

// Never before the epoch that it would be in if nothing were carried, and seldom much later.
int64_t SampleOrder::epoch_of_micro_batch(int64_t micro_batch) const {
  int64_t epoch = micro_batch * micro_batch_size_ / epoch_size_;
  while (micro_batches_before(epoch + 1) <= micro_batch) ++epoch;
  return epoch;
}

const std::vector<SampleOrder::MicroBatchPlace>& SampleOrder::micro_batches_of(int64_t epoch) {
  constexpr size_t kRemembered = 2;
  const auto known = micro_batches_.find(epoch);
  if (known != micro_batches_.end()) return known->second;
  if (micro_batches_.size() == kRemembered) micro_batches_.erase(micro_batches_.begin());  // the oldest
  std::vector<MicroBatchPlace> in_order;
  for (size_t group = 0; group < groups_.size(); ++group) {
    const int64_t count = size_of(groups_[group]);
    for (int64_t number = epoch * count / micro_batch_size_; number < (epoch + 1) * count / micro_batch_size_;
         ++number)
      in_order.push_back({.group = group, .number = number});
  }
  std::vector<MicroBatchPlace> permuted;
  const uint64_t seed = seed_of(run_seed_, static_cast<uint64_t>(epoch), 0, Stream::kMicroBatchOrder);
  for (const int64_t place : permutation(static_cast<int64_t>(in_order.size()), seed))
    permuted.push_back(in_order[static_cast<size_t>(place)]);
  return micro_batches_.emplace(epoch, std::move(permuted)).first->second;
}

const std::vector<int64_t>& SampleOrder::permutation_of(size_t group, int64_t epoch) {
  const auto known = permutations_.find({group, epoch});
  if (known != permutations_.end()) return known->second;
  // A micro-batch of few samples may reach over many epochs; older ones than these are not asked for again.
  const int64_t remembered = 2 + micro_batch_size_ / size_of(groups_[group]);
  const auto oldest = permutations_.lower_bound({group, 0});
  const auto end = permutations_.lower_bound({group + 1, 0});
  if (std::distance(oldest, end) >= remembered) permutations_.erase(oldest);
  const uint64_t seed =
      seed_of(run_seed_, static_cast<uint64_t>(epoch), static_cast<uint64_t>(group), Stream::kPermutation);
  return permutations_.emplace(std::pair(group, epoch), permutation(size_of(groups_[group]), seed))
      .first->second;
}

}  // namespace sdlora::trainer
