#include "trainer/batches/micro_batch.h"

#include <cstdlib>
#include <set>

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "model/model_source.h"
#include "tests/data/example_cache.h"
#include "tests/support/temporary_folder.h"

namespace sdlora::trainer {
namespace {

using testing::ElementsAre;

class MicroBatches : public testing::Test {
 protected:
  MicroBatches() { data::write_example_cache(folder_.path()); }

  TemporaryFolder folder_;
  const DrawSettings draws_{.run_seed = 5, .batch_size = 4, .timestep_count = 1000, .noise = {.offset = 0.1}};
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

TEST_F(MicroBatches, MakeATextByTheAddressOfItsSlotAlone) {
  const data::Dataset dataset(folder_.path());
  TextEmbeddings embeddings(
      model::ModelSource(std::getenv("SDLORA_TINY_MODEL")).load_text_reader({}, at::kCPU, at::kFloat));
  DrawSettings draws = draws_;
  draws.captions = {.prefix = "a", .suffix = ", b, c, d", .keep_tokens = 1, .shuffle = true};
  MicroBatchMaker maker(dataset, {0, 1, 2, 3, 4}, draws, at::kCPU, &embeddings);
  const MicroBatch whole = maker.make(3, 0, 4), part = maker.make(3, 2, 2);
  std::set<std::string> different(whole.texts.begin(), whole.texts.end());
  EXPECT_GT(different.size(), 2U);
  for (size_t row : {0U, 1U}) {
    EXPECT_EQ(part.texts[row], whole.texts[row + 2]);
    EXPECT_EQ(maker.draw_text(3, static_cast<int64_t>(row) + 2).text, part.texts[row]);
    EXPECT_TRUE(at::equal(part.text_embeddings[static_cast<int64_t>(row)], embeddings.of(part.texts[row])));
  }
  EXPECT_NE(maker.make(4, 0, 4).texts, whole.texts);

  // Latents, noise and timesteps are those of the run whose captions are left alone.
  const MicroBatch plain = MicroBatchMaker(dataset, {0, 1, 2, 3, 4}, draws_, at::kCPU).make(3, 0, 4);
  EXPECT_TRUE(at::equal(plain.latents, whole.latents));
  EXPECT_TRUE(at::equal(plain.noise, whole.noise));
  EXPECT_TRUE(at::equal(plain.timesteps, whole.timesteps));
  for (size_t row = 0; row < 4; ++row)
    EXPECT_EQ(plain.texts[row], dataset.caption_of(plain.sample_indices[row]));
}

TEST_F(MicroBatches, TakeEmptyTextsFromTheCache) {
  const data::Dataset dataset(folder_.path());
  DrawSettings draws = draws_;
  draws.captions = {.dropout = 0.5};
  MicroBatchMaker maker(dataset, {1, 2, 4}, draws, at::kCPU);
  int empty_count = 0;
  for (int64_t step = 0; step < 20; ++step) {
    const MicroBatch batch = maker.make(step, 0, 4);
    for (int64_t row = 0; row < 4; ++row) {
      const int64_t sample = batch.sample_indices[static_cast<size_t>(row)];
      const bool is_empty = batch.texts[static_cast<size_t>(row)].empty();
      empty_count += is_empty ? 1 : 0;
      EXPECT_TRUE(at::equal(batch.text_embeddings[row],
                            dataset.embedding_of(is_empty ? 0 : dataset.captions_of(sample).front())));
    }
  }
  EXPECT_NEAR(empty_count, 40, 18);  // four deviations
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
