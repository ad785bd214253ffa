#include "data/images/aspect_buckets.h"

#include <gmock/gmock.h>

namespace sdlora::data {
namespace {

using testing::Contains;
using testing::ElementsAre;

TEST(AspectBuckets, OfFiveHundredAndTwelveAreSeventeen) {
  EXPECT_THAT(
      bucket_sizes(square(512), {}),
      ElementsAre(PictureSize{256, 832}, PictureSize{256, 896}, PictureSize{256, 960}, PictureSize{256, 1024},
                  PictureSize{320, 704}, PictureSize{320, 768}, PictureSize{384, 640}, PictureSize{448, 576},
                  PictureSize{512, 512}, PictureSize{576, 448}, PictureSize{640, 384}, PictureSize{704, 320},
                  PictureSize{768, 320}, PictureSize{832, 256}, PictureSize{896, 256}, PictureSize{960, 256},
                  PictureSize{1024, 256}));
  EXPECT_EQ(bucket_sizes(square(768), {}).size(), 19U);
  EXPECT_EQ(bucket_sizes(square(512), {.least_side = 320, .greatest_side = 768}).size(), 9U);
  EXPECT_THAT(bucket_sizes({512, 768}, {}), Contains(PictureSize{576, 576}));
}

struct Example {
  PictureSize original, bucket, resized;
  int64_t left, top;
  PictureSize bucket_without_upscale, resized_without_upscale;
};

TEST(AspectBuckets, TakePicturesAsKohyasDo) {
  for (const Example& example :
       {Example{{1024, 1024}, {512, 512}, {512, 512}, 0, 0, {512, 512}, {512, 512}},
        Example{{1000, 667}, {640, 384}, {640, 427}, 0, 21, {576, 384}, {576, 384}},
        Example{{667, 1000}, {384, 640}, {427, 640}, 21, 0, {384, 576}, {384, 576}},
        Example{{1920, 1080}, {640, 384}, {683, 384}, 21, 0, {640, 384}, {683, 384}},
        Example{{800, 600}, {576, 448}, {597, 448}, 10, 0, {512, 384}, {512, 384}},
        Example{{500, 700}, {448, 576}, {448, 627}, 0, 25, {384, 512}, {384, 538}},
        Example{{300, 300}, {512, 512}, {512, 512}, 0, 0, {256, 256}, {300, 300}},
        Example{{3000, 500}, {1024, 256}, {1536, 256}, 256, 0, {1152, 192}, {1152, 192}}}) {
    const PictureFit fit = AspectBuckets(square(512), {}).fit(example.original);
    EXPECT_EQ(fit.size, example.bucket) << to_text(example.original);
    EXPECT_EQ(fit.resized, example.resized) << to_text(example.original);
    EXPECT_EQ(fit.left(), example.left) << to_text(example.original);
    EXPECT_EQ(fit.top(), example.top) << to_text(example.original);
    const PictureFit smaller = AspectBuckets(square(512), {.no_upscale = true}).fit(example.original);
    EXPECT_EQ(smaller.size, example.bucket_without_upscale) << to_text(example.original);
    EXPECT_EQ(smaller.resized, example.resized_without_upscale) << to_text(example.original);
  }
}

}  // namespace
}  // namespace sdlora::data
