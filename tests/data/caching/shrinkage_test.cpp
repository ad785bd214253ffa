#include "data/caching/shrinkage.h"

#include <gmock/gmock.h>

#include "tests/data/example_cache.h"
#include "tests/support/error_of.h"

namespace sdlora::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string kA(64, 'a'), kB(64, 'b'), kC(64, 'c');

CacheInputs inputs_of(const std::vector<PlannedSample>& samples) {
  return {.plan = make_cache_plan(example_settings(), samples, {"", "a caption"})};
}

PreviousCache previous_of(const std::vector<PreviousPicture>& pictures) {
  return {.pictures = pictures, .differences = {}};
}

TEST(Shrinkage, CountsWhatIsGoneByNameAndContent) {
  const PreviousCache previous =
      previous_of({{"a.png", kA, "x"}, {"b.png", kB, "x"}, {"c.png", kC, "x"}, {"copy.png", kA, "x"}});
  const CacheInputs inputs = inputs_of({{"a.png", kA, 1}, {"renamed.png", kB, 1}});
  EXPECT_THAT(find_shrinkage(previous, inputs).gone_pictures, ElementsAre("c.png", "copy.png"));
}

TEST(Shrinkage, IsNotWhatWasEditedOrIsNamedAsSkipped) {
  CacheInputs inputs = inputs_of({{"a.png", kB, 1}});
  inputs.plan.skipped = {{"b.png", "damaged"}};
  EXPECT_THAT(find_shrinkage(previous_of({{"a.png", kA, "x"}, {"b.png", kC, "x"}}), inputs).gone_pictures,
              IsEmpty());
}

TEST(Shrinkage, TellsEmptyCaptionsFromEmptiedOnes) {
  CacheInputs inputs = inputs_of({{"a.png", kA, 0}, {"b.png", kB, 0}, {"c.png", kC, 0}});
  inputs.empty_captions = {"a.png", "b.png", "c.png"};
  const Shrinkage shrinkage =
      find_shrinkage(previous_of({{"a.png", kA, "words"}, {"b.png", kB, ""}, {"c.png", kC, {}}}), inputs);
  EXPECT_THAT(sentences_of(shrinkage, 0), ElementsAre("3 captions are empty (1 had words in the last run)"));
}

TEST(Shrinkage, IsForbiddenByStrict) {
  const Shrinkage shrinkage{.gone_pictures = {"a.png"}};
  warn_of_shrinkage(shrinkage, {{"b.png", "damaged"}}, /*is_strict=*/false);
  warn_of_shrinkage({}, {}, /*is_strict=*/true);
  EXPECT_THAT(message_of_error(ExitCode::kBadData,
                               [&] {
                                 warn_of_shrinkage(shrinkage, {{"b.png", "damaged"}}, true);
                               }),
              testing::AllOf(HasSubstr("a.png"), HasSubstr("b.png: damaged")));
  EXPECT_THAT(message_of_error(ExitCode::kBadData,
                               [&] {
                                 refuse_skipped({{"b.png", "damaged"}});
                               }),
              HasSubstr("b.png"));
  refuse_skipped({});
}

}  // namespace
}  // namespace sdlora::data
