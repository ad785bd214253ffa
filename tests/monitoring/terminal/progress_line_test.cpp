#include "monitoring/terminal/progress_line.h"

#include <limits>

#include <gmock/gmock.h>

namespace sdlora::monitoring {
namespace {

using testing::HasSubstr;
using testing::Not;

Progress usual_progress() {
  return {.title = "training",
          .unit = "steps",
          .done = 210,
          .total = 500,
          .units_per_second = 1.25,
          .elapsed_seconds = 171,
          .tail = "loss 0.0123"};
}

TEST(ProgressLine, ShowsEverythingWhereThereIsRoom) {
  EXPECT_EQ(terminal_line(usual_progress(), 120),
            "training   42 %  [============>                 ]  210/500 steps  1.25 steps/s  02:51 gone  "
            "03:52 left  "
            "loss 0.0123");
}

TEST(ProgressLine, NeverIsWiderThanTheTerminal) {
  for (int columns = 1; columns < 200; ++columns)
    EXPECT_LE(terminal_line(usual_progress(), columns).size(), columns);
}

TEST(ProgressLine, KeepsTheCountWhenItIsNarrow) {
  EXPECT_EQ(terminal_line(usual_progress(), 14), "210/500 steps");
  EXPECT_THAT(terminal_line(usual_progress(), 40), HasSubstr("03:52 left"));
  EXPECT_THAT(terminal_line(usual_progress(), 40), Not(HasSubstr("gone")));
}

TEST(ProgressLine, CutsBetweenCharactersNotWithinThem) {
  Progress progress = usual_progress();
  progress.unit = "Schrittchen für Schrittchen äöü";
  for (int columns = 1; columns < 60; ++columns) {
    const std::string line = terminal_line(progress, columns);
    EXPECT_NE(static_cast<unsigned char>(line.back()) & 0xC0, 0xC0)
        << line;  // no lead byte without its follower
  }
}

TEST(ProgressLine, ReadsWellInAFile) {
  EXPECT_EQ(plain_line(usual_progress()),
            "training: 210/500 steps (42 %), 1.25 steps/s, 02:51 gone, 03:52 left, loss 0.0123");
}

TEST(ProgressLine, SaysNothingOfWhatIsUnknown) {
  const Progress start{.title = "caching", .unit = "images", .total = 7};
  EXPECT_EQ(plain_line(start), "caching: 0/7 images (0 %), 00:00 gone");
  const Progress endless{
      .title = "caching", .unit = "images", .done = 3, .units_per_second = 2, .elapsed_seconds = 1};
  EXPECT_EQ(plain_line(endless), "caching: 3 images, 2.00 images/s, 00:01 gone");
  EXPECT_THAT(terminal_line(endless, 100), Not(HasSubstr("%")));
}

TEST(ProgressLine, SlowWorkIsTimedByTheUnit) {
  Progress progress = usual_progress();
  progress.units_per_second = 0.05;
  EXPECT_THAT(plain_line(progress), HasSubstr("20.0 s each"));
}

TEST(ProgressLine, ABarIsEmptyAtTheStartAndFullAtTheEnd) {
  Progress progress = usual_progress();
  progress.done = 0;
  EXPECT_THAT(terminal_line(progress, 150), HasSubstr("[" + std::string(30, ' ') + "]"));
  progress.done = progress.total;
  EXPECT_THAT(terminal_line(progress, 150), HasSubstr("[" + std::string(30, '=') + "]"));
  EXPECT_THAT(terminal_line(progress, 150), HasSubstr("100 %"));
  progress.done = 2 * progress.total;
  EXPECT_THAT(terminal_line(progress, 150), HasSubstr("100 %"));
}

TEST(ProgressLine, ALineStaysOneLine) {
  Progress progress = usual_progress();
  progress.tail = "a\nb\x1b[31m";
  EXPECT_THAT(terminal_line(progress, 200), HasSubstr("a b [31m"));
  EXPECT_THAT(plain_line(progress), HasSubstr("a b [31m"));
}

TEST(ProgressLine, DurationsGrowWithTheirTime) {
  EXPECT_EQ(duration_text(0), "00:00");
  EXPECT_EQ(duration_text(59.9), "00:59");
  EXPECT_EQ(duration_text(3599), "59:59");
  EXPECT_EQ(duration_text(3723), "1:02:03");
  EXPECT_EQ(duration_text(3 * 86400 + 3723), "3 d 01:02:03");
  EXPECT_EQ(duration_text(-1), "00:00");
  EXPECT_NO_THROW(duration_text(std::numeric_limits<double>::infinity()));
}

}  // namespace
}  // namespace sdlora::monitoring
