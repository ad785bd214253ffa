#include "data/caching/embedding_store.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "tests/data/example_cache.h"
#include "tests/support/temporary_folder.h"

namespace sdlora::data {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// Of the settings of example_text().
CachePlan plan_with(const std::vector<std::string>& captions) {
  return make_cache_plan(example_settings(), {}, captions);
}

class EmbeddingStoreTest : public testing::Test {
 protected:
  std::filesystem::path file_with(const TextContent& text, const std::string& name = "old.h5") const {
    write_text_file(folder_ / name, text);
    return folder_ / name;
  }

  const TemporaryFolder folder_;
};

TEST_F(EmbeddingStoreTest, TakesWhatIsKnownAndNamesWhatIsMissing) {
  const TextContent old = example_text(3);
  const CachePlan plan = plan_with({"", "new", old.caption[2]});
  EmbeddingStore store(plan);
  EXPECT_THAT(store.missing(), ElementsAre(0, 1, 2));
  store.take_from(file_with(old));
  EXPECT_THAT(store.missing(), ElementsAre(1));
  EXPECT_TRUE(at::equal(store.embedding_of(0), old.embedding[0]));
  EXPECT_TRUE(at::equal(store.embedding_of(2), old.embedding[2]));
  store.set(1, old.embedding[1] + 1);
  EXPECT_THAT(store.missing(), IsEmpty());
  EXPECT_EQ(store.description().caption, plan.captions);
  EXPECT_TRUE(at::equal(store.embedding_of(1), old.embedding[1] + 1));
}

TEST_F(EmbeddingStoreTest, KeepsInMemoryWhatIsUnsavedAlone) {
  const TextContent made = example_text(4);
  const CachePlan plan = plan_with(made.caption);
  EmbeddingStore store(plan);
  for (const size_t row : {0, 1}) store.set(row, made.embedding[static_cast<int64_t>(row)]);
  const TextContent first = store.unsaved();
  EXPECT_THAT(first.caption, ElementsAre("", made.caption[1]));
  store.forget_unsaved(file_with(first, "first.h5"));
  EXPECT_EQ(store.unsaved_count(), 0u);
  for (const size_t row : {2, 3}) store.set(row, made.embedding[static_cast<int64_t>(row)]);
  EXPECT_THAT(store.unsaved().caption, ElementsAre("", made.caption[2], made.caption[3]))
      << "the empty caption begins each file";
  for (size_t row = 0; row < 4; ++row)
    EXPECT_TRUE(at::equal(store.embedding_of(row), made.embedding[static_cast<int64_t>(row)])) << row;
}

TEST_F(EmbeddingStoreTest, TakesNothingOfAnotherTextEncoder) {
  TextContent old = example_text(3);
  old.text_encoder_sha256 = std::string(64, 'e');
  const CachePlan plan = plan_with({"", "new"});
  EmbeddingStore store(plan);
  store.take_from(file_with(old));
  EXPECT_THAT(store.missing(), ElementsAre(0, 1));
}

TEST_F(EmbeddingStoreTest, TakesNothingOfAnotherPrecision) {
  TextContent old = example_text(3);
  old.mixed_precision = model::MixedPrecision::kBf16;
  const CachePlan plan = plan_with({"", "new"});
  EmbeddingStore store(plan);
  store.take_from(file_with(old));
  EXPECT_THAT(store.missing(), ElementsAre(0, 1));
}

TEST_F(EmbeddingStoreTest, HasNothingToSaveBeforeTheEmptyCaptionIsKnown) {
  const CachePlan plan = plan_with({"", "new"});
  EmbeddingStore store(plan);
  store.set(1, example_text(2).embedding[1]);
  EXPECT_THAT(store.unsaved().caption, IsEmpty());
}

}  // namespace
}  // namespace sdlora::data
