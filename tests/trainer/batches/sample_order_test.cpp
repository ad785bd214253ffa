#include "trainer/batches/sample_order.h"

#include <set>

#include <gmock/gmock.h>

namespace sdlora::trainer {
namespace {

using testing::ElementsAre;

std::vector<int64_t> samples(SampleOrder plan, int64_t first, int64_t count) {
  std::vector<int64_t> taken;
  for (int64_t position = first; position < first + count; ++position)
    taken.push_back(plan.sample_at(position));
  return taken;
}

TEST(SampleOrder, VisitsEverySampleOnceAnEpoch) {
  for (const int64_t sample_count : {1, 2, 7, 100}) {
    SampleOrder plan(sample_count, 5);
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
  EXPECT_NE(samples({50, 1}, 0, 50), samples({50, 1}, 50, 50));
  EXPECT_NE(samples({50, 1}, 0, 50), samples({50, 2}, 0, 50));
}

TEST(SampleOrder, APositionDoesNotDependOnWhatWasAskedBefore) {
  const std::vector<int64_t> in_order = samples({11, 3}, 0, 70);
  SampleOrder plan(11, 3);
  for (const int64_t position : {69, 0, 35, 36, 12, 11, 10, 69, 0, 54})
    EXPECT_EQ(plan.sample_at(position), in_order[static_cast<size_t>(position)]);
}

// torch.randperm(5, generator=torch.Generator().manual_seed(seed_of(7, epoch, 0, 0))) for epochs 0 and 1,
// with seed_of of common/seeds.cpp written in Python.
TEST(SampleOrder, IsWhatPythonDraws) {
  EXPECT_THAT(samples({5, 7}, 0, 10), ElementsAre(3, 1, 2, 0, 4, 2, 4, 3, 1, 0));
}

}  // namespace
}  // namespace sdlora::trainer
