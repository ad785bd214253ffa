#include "common/seeds.h"

#include <set>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace sdlora {
namespace {

// From an independent implementation in Python (tests/trainer/replay.py).
TEST(Seeds, AreThePublishedFunctionOfTheFourWords) {
  EXPECT_EQ(seed_of(0, 0, 0, Stream::kPermutation), 1195769770526638388ULL);
  EXPECT_EQ(seed_of(42, 7, 3, Stream::kNoise), 5830350815787571618ULL);
}

TEST(Seeds, DifferBetweenAllNeighbouringAddresses) {
  std::set<uint64_t> seen;
  for (uint64_t run = 0; run < 4; ++run)
    for (uint64_t step = 0; step < 50; ++step)
      for (uint64_t slot = 0; slot < 20; ++slot)
        for (const Stream stream : {Stream::kPosteriorNoise, Stream::kNoise, Stream::kTimestep})
          seen.insert(seed_of(run, step, slot, stream));
  EXPECT_EQ(seen.size(), 4u * 50 * 20 * 3);
}

TEST(Seeds, FitWhatPythonsManualSeedTakes) {
  for (uint64_t i = 0; i < 1000; ++i) EXPECT_LT(seed_of(i, i, i, Stream::kNoise), uint64_t{1} << 63);
}

TEST(Generators, RepeatTheirDraws) {
  const at::Tensor first = at::randn({100}, generator_for(5), at::kFloat);
  EXPECT_TRUE(at::equal(first, at::randn({100}, generator_for(5), at::kFloat)));
  EXPECT_FALSE(at::equal(first, at::randn({100}, generator_for(6), at::kFloat)));
}

}  // namespace
}  // namespace sdlora
