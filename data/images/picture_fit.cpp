#include "data/images/picture_fit.h"

#include <algorithm>
#include <cmath>

namespace sdlora::data {

double PictureFit::kept_share() const {
  const auto area = [](const PictureSize& of) {
    return static_cast<double>(of.width) * static_cast<double>(of.height);
  };
  return area(size) / area(resized);
}

PictureFit fit_to_cover(const PictureSize& original, const PictureSize& size) {
  const auto ratio = [](int64_t wanted, int64_t length) {
    return static_cast<double>(wanted) / static_cast<double>(length);
  };
  const double scale = std::max(ratio(size.width, original.width), ratio(size.height, original.height));
  const auto scaled = [&](int64_t length, int64_t at_least) {
    return std::max<int64_t>(at_least, std::llround(static_cast<double>(length) * scale));
  };
  return {.original = original,
          .resized = {scaled(original.width, size.width), scaled(original.height, size.height)},
          .size = size};
}

}  // namespace sdlora::data
