#include "data/caching/same_cache.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "tests/data/example_cache.h"
#include "tests/support/error_of.h"

namespace sdlora::data {
namespace {

using testing::HasSubstr;

// Pictures first … first + count - 1, with the caption of row 1.
std::vector<PlannedSample> samples(int64_t first, int64_t count) {
  std::vector<PlannedSample> samples;
  for (int64_t sample = first; sample < first + count; ++sample)
    samples.push_back({fmt::format("{}.png", sample), fmt::format("{:064}", sample), 1});
  return samples;
}

class SameCache : public testing::Test {
 protected:
  bool is_another(const std::vector<PlannedSample>& now, const std::string& caption = "a caption") const {
    const CachePlan plan = make_cache_plan(example_settings(), now, {"", caption});
    CacheRecord record;
    record.add({.name = "shard-00000.h5", .bytes = 1, .sha256 = "", .row_count = 1});
    PreviousCache previous{.pictures = {}, .differences = differences_};
    for (const PlannedSample& sample : before_)
      previous.pictures.push_back({sample.source, sample.source_sha256, "a caption"});
    CacheOptions options;
    options.output = "cache";
    options.may_replace = true;
    const bool is_another = is_another_cache(record, previous, plan, options);
    options.may_replace = false;
    if (is_another)
      EXPECT_THAT(
          message_of_error(ExitCode::kMismatch, [&] { is_another_cache(record, previous, plan, options); }),
          HasSubstr("--rebuild"));
    else
      EXPECT_FALSE(is_another_cache(record, previous, plan, options));
    return is_another;
  }

  std::vector<PlannedSample> before_ = samples(0, 40);
  std::vector<std::string> differences_;
};

TEST_F(SameCache, StaysWhatItIsWhenPicturesComeAndGo) {
  EXPECT_FALSE(is_another(samples(0, 40)));
  EXPECT_FALSE(is_another(samples(0, 4000)));
  EXPECT_FALSE(is_another(samples(39, 1)));
  EXPECT_FALSE(is_another(samples(37, 100)));
}

TEST_F(SameCache, StaysWhatItIsWhenAllPicturesAreRenamedOrEdited) {
  std::vector<PlannedSample> renamed = samples(0, 40), edited = samples(0, 40);
  for (PlannedSample& sample : renamed) sample.source = "set/" + sample.source;
  for (PlannedSample& sample : edited) sample.source_sha256[0] = 'f';
  EXPECT_FALSE(is_another(renamed, "and another caption"));
  EXPECT_FALSE(is_another(edited));
}

TEST_F(SameCache, IsAnotherWhenNoPictureOrAlmostNoneIsLeft) {
  EXPECT_TRUE(is_another(samples(40, 40)));
  EXPECT_TRUE(is_another(samples(40, 1)));
  EXPECT_TRUE(is_another(samples(39, 40)));
}

TEST_F(SameCache, IsAnotherWhenOnlyTheNamesAreAlike) {
  std::vector<PlannedSample> others = samples(0, 40);
  for (PlannedSample& sample : others) sample.source_sha256[0] = 'f';
  EXPECT_TRUE(is_another(others, "another caption"));
}

TEST_F(SameCache, IsAnotherWithOtherSettings) {
  differences_ = {"--flip: off, now on"};
  EXPECT_TRUE(is_another(samples(0, 40)));
}

TEST_F(SameCache, IsWhateverComesWhereNothingIsLost) {
  before_.clear();
  EXPECT_FALSE(is_another(samples(0, 40)));
}

TEST(NewerFormat, IsRefusedWithoutRebuild) {
  CacheRecord record;
  CacheOptions options;
  refuse_newer_format(record, options);
  record.newest_format = kFormatVersion + 1;
  EXPECT_THAT(message_of_error(ExitCode::kMismatch, [&] { refuse_newer_format(record, options); }),
              HasSubstr("newer program"));
  options.may_replace = true;
  refuse_newer_format(record, options);
}

}  // namespace
}  // namespace sdlora::data
