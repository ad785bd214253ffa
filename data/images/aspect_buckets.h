// Aspect-ratio buckets: sizes of about the same area and of many ratios, to which pictures are brought with
// little cropping. The arithmetic of kohya's sd-scripts (make_bucket_resolutions,
// BucketManager.select_bucket).
#pragma once

#include <string>
#include <vector>

#include "data/images/picture_fit.h"

namespace sdlora::data {

struct BucketRules {
  int64_t least_side = 256;      // pixels; without a meaning where no_upscale is set
  int64_t greatest_side = 1024;  // likewise
  int64_t step = 64;             // pixels: sides are multiples of it
  bool no_upscale = false;       // pictures are made smaller, never larger

  bool operator==(const BucketRules&) const = default;
};

// "256 … 1024 pixels in steps of 64"
std::string in_words(const BucketRules& rules);

// All buckets of at most `area_of`'s area, by width and then height. As sd-scripts lowers the least side and
// raises the greatest to a multiple of the step first. Not of no_upscale, whose buckets follow from the
// pictures.
std::vector<PictureSize> bucket_sizes(const PictureSize& area_of, const BucketRules& rules);

class AspectBuckets {
 public:
  // `area_of`: the size whose area no bucket exceeds. Throws Error(kUsage): numbers beyond 1 … 16384,
  // limits that leave out `area_of` itself, limits with no_upscale.
  AspectBuckets(const PictureSize& area_of, const BucketRules& rules);

  // How a picture comes to its bucket. Throws UnusableImage where a side would be shorter than one step,
  // which no_upscale alone can bring about.
  PictureFit fit(const PictureSize& original) const;

 private:
  PictureSize area_of_;
  BucketRules rules_;
  std::vector<PictureSize> sizes_;
};

}  // namespace sdlora::data
