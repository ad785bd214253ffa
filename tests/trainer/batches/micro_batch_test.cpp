#include "trainer/batches/micro_batch.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "tests/data/example_cache.h"
#include "tests/support/temporary_folder.h"

namespace sdlora::trainer {
namespace {

using testing::ElementsAre;

class MicroBatches : public testing::Test {
 protected:
  MicroBatches() { data::write_example_cache(folder_.path()); }

  TemporaryFolder folder_;
  const DrawSettings draws_{.run_seed = 5, .batch_size = 4, .timestep_count = 1000, .noise_offset = 0.1};
};

void expect_equal(const MicroBatch& a, const MicroBatch& b) {
  EXPECT_EQ(a.slots, b.slots);
  EXPECT_EQ(a.sample_indices, b.sample_indices);
  EXPECT_EQ(a.sources, b.sources);
  EXPECT_TRUE(at::equal(a.latents, b.latents));
  EXPECT_TRUE(at::equal(a.noise, b.noise));
  EXPECT_TRUE(at::equal(a.timesteps, b.timesteps));
  EXPECT_TRUE(at::equal(a.text_embeddings, b.text_embeddings));
}

TEST_F(MicroBatches, HoldTheSameSamplesAndNoiseHoweverTheBatchIsCut) {
  const data::Dataset dataset(folder_.path());
  MicroBatchMaker maker(dataset, {0, 1, 2, 3, 4}, draws_, at::kCPU);
  const MicroBatch whole = maker.make(3, 0, 4), rest = maker.make(3, 2, 2);
  EXPECT_THAT(whole.slots, ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(rest.slots, ElementsAre(2, 3));
  EXPECT_EQ(rest.sources[0], whole.sources[2]);
  EXPECT_TRUE(at::equal(rest.latents, whole.latents.narrow(0, 2, 2)));
  EXPECT_TRUE(at::equal(rest.noise, whole.noise.narrow(0, 2, 2)));
  EXPECT_TRUE(at::equal(rest.timesteps, whole.timesteps.narrow(0, 2, 2)));
}

TEST_F(MicroBatches, AreTheSameWhenTheyWereDrawnAhead) {
  const data::Dataset dataset(folder_.path());
  MicroBatchMaker at_once(dataset, {0, 1, 2, 3, 4}, draws_, at::kCPU);
  MicroBatchMaker ahead(dataset, {0, 1, 2, 3, 4}, draws_, at::kCPU);
  for (int64_t step = 0; step < 4; ++step) {
    for (const int64_t slot : {0, 2}) expect_equal(ahead.make(step, slot, 2), at_once.make(step, slot, 2));
    for (const int64_t slot : {0, 2}) ahead.draw_ahead(step + 1, slot, 2);
  }
  expect_equal(ahead.make(9, 0, 4), at_once.make(9, 0, 4));  // others than were drawn
}

}  // namespace
}  // namespace sdlora::trainer
