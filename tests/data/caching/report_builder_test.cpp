#include "data/caching/report_builder.h"

#include <gmock/gmock.h>

namespace sdlora::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

using Tag = DataReport::Tag;

PlannedSample sample_of(const std::string& source, const std::string& sha256, int64_t caption,
                        const std::vector<int64_t>& others = {}) {
  PlannedSample sample{.source = source, .source_sha256 = sha256, .caption_index = caption};
  sample.other_captions = others;
  return sample;
}

TEST(ReportOn, CountsEmptyAndSharedCaptionsByPicture) {
  const std::vector<std::string> captions = {"", "one", "two", "three"};
  const DataReport report =
      report_on({sample_of("a", "1", 1), sample_of("b", "2", 1), sample_of("c", "3", 2, {0}),
                 sample_of("d", "4", 3), sample_of("e", "5", 0)},
                captions, {.count = 7, .first = {{"a b", "b"}}}, {"metadata.jsonl: lost.png"});
  EXPECT_EQ(report.empty_count, 2) << "one of c's, and e's";
  EXPECT_EQ(report.shared_count, 2) << "a's and b's; the empty one is counted for itself";
  EXPECT_EQ(report.cut_count, 7);
  EXPECT_THAT(report.cut, ElementsAre(std::pair("a b", "b")));
  EXPECT_THAT(report.lost_lines, ElementsAre("metadata.jsonl: lost.png"));
  EXPECT_EQ(report.lost_line_count, 1);
}

TEST(ReportOn, DoesNotTakeAPicturesOwnCaptionForAnothers) {
  EXPECT_EQ(report_on({sample_of("a", "1", 1, {1}), sample_of("b", "2", 2)}, {"", "one", "two"}, {}, {})
                .shared_count,
            0);
}

TEST(ReportOn, CountsATagOnceAPictureAndKeepsTheMostFrequent) {
  std::vector<std::string> captions = {"", "fox,  fox, red", "fox, blue , ,"};
  std::vector<PlannedSample> samples = {sample_of("a", "1", 1, {2}), sample_of("b", "2", 2)};
  EXPECT_THAT(report_on(samples, captions, {}, {}).tags,
              ElementsAre(Tag{"blue", 2}, Tag{"fox", 2}, Tag{"red", 1}));
  for (int tag = 0; tag < 30; ++tag) captions[1] += ", " + std::to_string(tag);
  EXPECT_EQ(report_on(samples, captions, {}, {}).tags.size(), 20u);
}

TEST(ReportOn, NamesCopiesByName) {
  const DataReport report =
      report_on({sample_of("z.png", "9", 0), sample_of("b.png", "5", 0), sample_of("a.png", "9", 0),
                 sample_of("c.png", "5", 0), sample_of("y.png", "9", 0), sample_of("alone.png", "1", 0)},
                {""}, {}, {});
  EXPECT_EQ(report.copy_count, 3);
  EXPECT_THAT(report.copies,
              ElementsAre(ElementsAre("b.png", "c.png"), ElementsAre("z.png", "a.png", "y.png")));
}

TEST(ReportLines, SayWhatIsLeftOutByReason) {
  Manifest manifest;
  manifest.text.row_count = 4;
  manifest.skipped = {{"a", "too large"}, {"b", "3 of 7 bytes"}, {"c", "12 of 90 bytes"}};
  EXPECT_THAT(report_lines(manifest), HasSubstr("2 x 3 of 7 bytes; 1 x too large"));
  manifest.skipped.clear();
  EXPECT_THAT(report_lines(manifest), IsEmpty()) << "of a cache of before there were reports";
  manifest.report = DataReport{.cut_count = 1,
                               .cut = {{"", "cut\x1b"}},
                               .lost_lines = {"lost\x1b"},
                               .lost_line_count = 2,
                               .tags = {{"fox\x1b", 3}},
                               .copies = {{"copy\x1b", "b"}},
                               .copy_count = 1};
  EXPECT_THAT(report_lines(manifest), HasSubstr("3 different"));
  for (const char* shown : {"fox\\x1b 3", "cut\\x1b", "lost\\x1b, …", "copy\\x1b = b"})
    EXPECT_THAT(report_lines(manifest), HasSubstr(shown));
  EXPECT_THAT(report_lines(manifest), Not(HasSubstr("\x1b")));
}

}  // namespace
}  // namespace sdlora::data
