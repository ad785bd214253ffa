// TIFF, by libtiff.
#pragma once

#include <string_view>

#include <opencv2/core.hpp>

#include "data/images/image_header.h"

namespace sdlora::data {

// The first picture of a TIFF, of the header's size, over white, not turned: BGR, u8, of any photometric kind
// that libtiff makes RGB of (bilevel, grey, palette, RGB, CMYK, YCbCr, L*a*b*; 16 bits are divided by 257);
// or grey, u16. Throws UnusableImage.
cv::Mat decode_tiff(std::string_view bytes, const ImageHeader& header);

}  // namespace sdlora::data
