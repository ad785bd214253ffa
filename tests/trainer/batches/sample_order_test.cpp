#include "trainer/batches/sample_order.h"

#include <map>
#include <numeric>
#include <set>

#include <gmock/gmock.h>

namespace sdlora::trainer {
namespace {

using testing::ElementsAre;

// All of one size, each once.
SampleOrder order_of(int64_t sample_count, uint64_t run_seed) {
  std::vector<int64_t> group(static_cast<size_t>(sample_count));
  std::iota(group.begin(), group.end(), 0);
  return {{group}, /*micro_batch_size=*/1, run_seed};
}

std::vector<int64_t> samples(SampleOrder plan, int64_t first, int64_t count) {
  std::vector<int64_t> taken;
  for (int64_t position = first; position < first + count; ++position)
    taken.push_back(plan.at(position).sample);
  return taken;
}

TEST(SampleOrder, VisitsEverySampleOnceAnEpoch) {
  for (const int64_t sample_count : {1, 2, 7, 100}) {
    SampleOrder plan = order_of(sample_count, 5);
    for (int64_t epoch = 0; epoch < 4; ++epoch) {
      const std::vector<int64_t> taken = samples(plan, epoch * sample_count, sample_count);
      const std::set<int64_t> different(taken.begin(), taken.end());
      EXPECT_EQ(static_cast<int64_t>(different.size()), sample_count);
      EXPECT_EQ(*different.begin(), 0);
      EXPECT_EQ(*different.rbegin(), sample_count - 1);
    }
  }
}

TEST(SampleOrder, EachEpochAndEachSeedHasAnOrderOfItsOwn) {
  EXPECT_NE(samples(order_of(50, 1), 0, 50), samples(order_of(50, 1), 50, 50));
  EXPECT_NE(samples(order_of(50, 1), 0, 50), samples(order_of(50, 2), 0, 50));
}

TEST(SampleOrder, APositionDoesNotDependOnWhatWasAskedBefore) {
  const std::vector<int64_t> in_order = samples(order_of(11, 3), 0, 70);
  SampleOrder plan = order_of(11, 3);
  for (const int64_t position : {69, 0, 35, 36, 12, 11, 10, 69, 0, 54})
    EXPECT_EQ(plan.at(position).sample, in_order[static_cast<size_t>(position)]);
}

// torch.randperm(5, generator=torch.Generator().manual_seed(seed_of(7, epoch, 0, 0))) for epochs 0 and 1,
// with seed_of of common/seeds.cpp written in Python.
TEST(SampleOrder, IsWhatPythonDraws) {
  EXPECT_THAT(samples(order_of(5, 7), 0, 10), ElementsAre(3, 1, 2, 0, 4, 2, 4, 3, 1, 0));
}

// Sizes of 7, 3 and 1 samples, numbered through.
SampleOrder order_of_three_sizes(int64_t micro_batch_size, uint64_t run_seed = 4) {
  return {{{0, 1, 2, 3, 4, 5, 6}, {7, 8, 9}, {10}}, micro_batch_size, run_seed};
}

int64_t size_of_sample(int64_t sample) {
  return sample < 7 ? 0 : sample < 10 ? 1 : 2;
}

TEST(OrderOfSeveralSizes, HasMicroBatchesOfOneSize) {
  for (const int64_t micro : {1, 2, 3, 4, 8}) {
    const std::vector<int64_t> taken = samples(order_of_three_sizes(micro), 0, 100 * micro);
    for (size_t place = 0; place < taken.size(); ++place)
      EXPECT_EQ(size_of_sample(taken[place]),
                size_of_sample(taken[place - place % static_cast<size_t>(micro)]));
  }
}

TEST(OrderOfSeveralSizes, DropsNothingAndCountsNothingTwice) {
  for (const int64_t micro : {1, 2, 3, 4, 8}) {
    constexpr int64_t kEpochs = 24;  // after which every size's row ends with a whole micro-batch
    std::map<int64_t, int64_t> count_of;
    for (const int64_t sample : samples(order_of_three_sizes(micro), 0, kEpochs * 11)) ++count_of[sample];
    for (int64_t sample = 0; sample < 11; ++sample) EXPECT_EQ(count_of[sample], kEpochs) << micro;
  }
}

TEST(OrderOfSeveralSizes, CarriesWhatDoesNotFillAMicroBatchIntoTheNextEpoch) {
  SampleOrder order = order_of_three_sizes(4);
  std::vector<int64_t> count_of_epoch(6);
  for (int64_t position = 0; position < 60; ++position)
    if (const auto epoch = static_cast<size_t>(order.at(position).epoch); epoch < count_of_epoch.size())
      ++count_of_epoch[epoch];
  // rows of 7, 14, 21, 28, 35, 42 and 3, 6, 9, 12, 15, 18 and 1 … 6 samples, filled by fours
  EXPECT_THAT(count_of_epoch, ElementsAre(4, 12, 12, 16, 4, 12));
}

TEST(OrderOfSeveralSizes, IsADifferentOneForEachEpochAndSeed) {
  EXPECT_NE(samples(order_of_three_sizes(1), 0, 11), samples(order_of_three_sizes(1), 11, 11));
  EXPECT_NE(samples(order_of_three_sizes(1), 0, 11), samples(order_of_three_sizes(1, 5), 0, 11));
}

TEST(OrderOfSeveralSizes, DoesNotDependOnWhatWasAskedBefore) {
  const std::vector<int64_t> in_order = samples(order_of_three_sizes(4), 0, 400);
  SampleOrder order = order_of_three_sizes(4);
  for (int64_t place = 0; place < 400; ++place) {
    const int64_t position = place * 7919 % 400;
    EXPECT_EQ(order.at(position).sample, in_order[static_cast<size_t>(position)]);
  }
}

TEST(OrderOfSeveralSizes, KnowsWhichSizesFillNoMicroBatch) {
  EXPECT_THAT(order_of_three_sizes(1).groups_without_micro_batch(1), ElementsAre());
  EXPECT_THAT(order_of_three_sizes(4).groups_without_micro_batch(4), ElementsAre(1, 2));  // epoch 0
  EXPECT_THAT(order_of_three_sizes(4).groups_without_micro_batch(5), ElementsAre(2));
  EXPECT_THAT(order_of_three_sizes(4).groups_without_micro_batch(60), ElementsAre());
  EXPECT_THAT(order_of(7, 1).groups_without_micro_batch(1), ElementsAre());
}

TEST(SampleOrder, HasASampleAsOftenAnEpochAsItsGroupDoes) {
  SampleOrder order({{0, 0, 0, 1, 2, 2}}, 1, 9);
  EXPECT_EQ(order.epoch_size(), 6);
  std::map<int64_t, int64_t> count_of;
  for (int64_t position = 6; position < 12; ++position) ++count_of[order.at(position).sample];
  EXPECT_THAT(count_of, ElementsAre(testing::Pair(0, 3), testing::Pair(1, 1), testing::Pair(2, 2)));
  EXPECT_EQ(order.at(12).epoch, 2);
}

}  // namespace
}  // namespace sdlora::trainer
