#include "data/images/picture_fit.h"

#include <gtest/gtest.h>

namespace sdlora::data {
namespace {

TEST(PictureFit, CoversTheSizeAndLosesTheEnds) {
  const PictureFit fit = fit_to_cover({.width = 1000, .height = 667}, square(512));
  EXPECT_EQ(fit.resized, (PictureSize{.width = 768, .height = 512}));
  EXPECT_EQ(fit.left(), 128);
  EXPECT_EQ(fit.top(), 0);
  EXPECT_NEAR(fit.kept_share(), 2.0 / 3, 1e-12);
  EXPECT_FALSE(fit.is_enlarged());
}

TEST(PictureFit, RoundsTheOtherSide) {
  const PictureFit tall = fit_to_cover({.width = 667, .height = 1000}, {.width = 384, .height = 640});
  EXPECT_EQ(tall.resized, (PictureSize{.width = 427, .height = 640}));
  EXPECT_EQ(tall.left(), 21);
}

TEST(PictureFit, KnowsWhatIsEnlarged) {
  EXPECT_FALSE(fit_to_cover(square(512), square(512)).is_enlarged());
  EXPECT_EQ(fit_to_cover(square(512), square(512)).kept_share(), 1);
  EXPECT_TRUE(fit_to_cover({.width = 4000, .height = 511}, square(512)).is_enlarged());
  EXPECT_EQ(fit_to_cover({.width = 1, .height = 1}, square(512)).resized, square(512));
}

TEST(PictureFit, NeverFallsShortByRounding) {
  for (int64_t side = 1; side < 700; ++side) {
    const PictureFit fit = fit_to_cover({.width = side, .height = 333}, {.width = 320, .height = 448});
    EXPECT_GE(fit.resized.width, 320) << side;
    EXPECT_GE(fit.resized.height, 448) << side;
    EXPECT_TRUE(fit.resized.width == 320 || fit.resized.height == 448) << side;
  }
}

}  // namespace
}  // namespace sdlora::data
