#include "data/caching/crop_summary.h"

#include <gtest/gtest.h>

namespace sdlora::data {
namespace {

TEST(CropSummary, CountsWhatIsLostAndWhatIsEnlarged) {
  EXPECT_EQ(
      crop_summary({square(512), {.width = 1024, .height = 512}, {.width = 2048, .height = 1024}},
                   square(512)),
      "cropped to 512²: 67 % of the pictures' area is kept; 2 of 3 pictures lose more than a third; 0 are "
      "enlarged, 0 of them more than twice");
  EXPECT_EQ(
      crop_summary({square(500), square(256), square(255)}, square(512)),
      "cropped to 512²: 100 % of the pictures' area is kept; 0 of 3 pictures lose more than a third; 3 are "
      "enlarged, 1 of them more than twice");
}

}  // namespace
}  // namespace sdlora::data
