#include "data/images/picture_size.h"

#include <gtest/gtest.h>

namespace sdlora::data {
namespace {

TEST(PictureSize, IsEqualOnlyInBothSides) {
  EXPECT_EQ((PictureSize{.width = 64, .height = 96}), (PictureSize{.width = 64, .height = 96}));
  EXPECT_NE((PictureSize{.width = 64, .height = 96}), (PictureSize{.width = 96, .height = 64}));
  EXPECT_EQ(square(64), (PictureSize{.width = 64, .height = 64}));
  EXPECT_TRUE(square(64).is_square());
  EXPECT_FALSE((PictureSize{.width = 64, .height = 96}).is_square());
}

TEST(PictureSize, NamesTheWidthFirst) {
  EXPECT_EQ(to_text({.width = 512, .height = 768}), "512x768");
  EXPECT_EQ(to_text(square(512)), "512x512");
  EXPECT_EQ(in_words({.width = 512, .height = 768}), "512 × 768");
  EXPECT_EQ(in_words(square(512)), "512²");
}

TEST(PictureSize, HasWholeLatentCellsOrNone) {
  const auto cells = latent_size({.width = 512, .height = 768}, 8);
  ASSERT_TRUE(cells.has_value());
  EXPECT_EQ(cells->width, 64);
  EXPECT_EQ(cells->height, 96);
  EXPECT_FALSE(latent_size({.width = 516, .height = 768}, 8).has_value());
  EXPECT_FALSE(latent_size({.width = 512, .height = 769}, 8).has_value());
}

}  // namespace
}  // namespace sdlora::data
