// How a picture becomes one of a given size: resized until it just covers it, then cropped to the centre.
#pragma once

#include "data/images/picture_size.h"

namespace sdlora::data {

struct PictureFit {
  PictureSize original;  // upright
  PictureSize resized;   // at least `size` in both directions
  PictureSize size;      // what is left of that

  // False for one by unplanned_fit().
  bool is_planned() const { return original != PictureSize(); }

  // From the resized picture's corner to the crop's, rounded down.
  int64_t left() const { return (resized.width - size.width) / 2; }

  int64_t top() const { return (resized.height - size.height) / 2; }

  // Of the picture's area, 0 … 1.
  double kept_share() const;

  bool operator==(const PictureFit&) const = default;

  bool is_enlarged() const { return resized.width > original.width || resized.height > original.height; }
};

// To cover `size`, worked out when the picture is decoded (decode_cropped): its other sizes are 0 x 0.
inline PictureFit unplanned_fit(const PictureSize& size) {
  return {.original = {}, .resized = {}, .size = size};
}

// Both sizes at least one pixel a side. The other side of what is resized is rounded to the nearest pixel.
PictureFit fit_to_cover(const PictureSize& original, const PictureSize& size);

}  // namespace sdlora::data
