#include "trainer/batches/sample_order.h"

#include <ATen/ATen.h>

#include "common/seeds.h"

namespace sdlora::trainer {

int64_t SampleOrder::sample_at(int64_t position) {
  return permutation_of(position / sample_count_)[static_cast<size_t>(position % sample_count_)];
}

const std::vector<int64_t>& SampleOrder::permutation_of(int64_t epoch) {
  const auto known = permutations_.find(epoch);
  if (known != permutations_.end()) return known->second;
  if (permutations_.size() == 2) permutations_.erase(permutations_.begin());  // the oldest
  const at::Generator generator =
      generator_for(seed_of(run_seed_, static_cast<uint64_t>(epoch), 0, Stream::kPermutation));
  const at::Tensor order = at::randperm(sample_count_, generator, at::kLong);
  const auto* first = order.const_data_ptr<int64_t>();
  return permutations_.emplace(epoch, std::vector<int64_t>(first, first + sample_count_)).first->second;
}

}  // namespace sdlora::trainer
