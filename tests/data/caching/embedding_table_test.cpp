#include "data/caching/embedding_table.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "tests/data/example_cache.h"

namespace sdlora::data {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// Of the settings of example_text().
CachePlan plan_with(const std::vector<std::string>& captions) {
  return make_cache_plan(example_settings(), {}, captions);
}

TEST(EmbeddingTable, TakesWhatIsKnownAndNamesWhatIsMissing) {
  const TextContent old = example_text(3);
  const CachePlan plan = plan_with({"", "new", old.caption[2]});
  EmbeddingTable table(plan);
  EXPECT_THAT(table.missing(), ElementsAre(0, 1, 2));
  table.take_from(old);
  EXPECT_THAT(table.missing(), ElementsAre(1));
  const TextContent part = table.content();
  EXPECT_THAT(part.caption, ElementsAre("", old.caption[2]));
  EXPECT_TRUE(at::equal(part.embedding[1], old.embedding[2]));
  table.set(1, old.embedding[1] + 1);
  EXPECT_THAT(table.missing(), IsEmpty());
  EXPECT_EQ(table.content().caption, plan.captions);
  EXPECT_TRUE(at::equal(table.content().embedding[1], old.embedding[1] + 1));
}

TEST(EmbeddingTable, TakesNothingOfAnotherTextEncoder) {
  TextContent old = example_text(3);
  old.text_encoder_sha256 = std::string(64, 'e');
  const CachePlan plan = plan_with({"", "new"});
  EmbeddingTable table(plan);
  table.take_from(old);
  EXPECT_THAT(table.missing(), ElementsAre(0, 1));
}

TEST(EmbeddingTable, TakesNothingOfAnotherPrecision) {
  TextContent old = example_text(3);
  old.mixed_precision = model::MixedPrecision::kBf16;
  const CachePlan plan = plan_with({"", "new"});
  EmbeddingTable table(plan);
  table.take_from(old);
  EXPECT_THAT(table.missing(), ElementsAre(0, 1));
}

TEST(EmbeddingTable, IsNoTextFileBeforeTheEmptyCaptionIsKnown) {
  const CachePlan plan = plan_with({"", "new"});
  EmbeddingTable table(plan);
  table.set(1, example_text(2).embedding[1]);
  EXPECT_THAT(table.content().caption, IsEmpty());
}

}  // namespace
}  // namespace sdlora::data
