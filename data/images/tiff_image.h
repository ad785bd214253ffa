// TIFF, by libtiff.
#pragma once

#include <string_view>

#include "data/images/image_header.h"
#include "data/images/stored_picture.h"

namespace sdlora::data {

// The first picture of a TIFF, of the header's size, over white: BGR, u8, of any photometric kind
// that libtiff makes RGB of (bilevel, grey, palette, RGB, CMYK, YCbCr, L*a*b*; 16 bits are divided by 257);
// or grey, u16. Throws UnusableImage.
StoredPicture decode_tiff(std::string_view bytes, const ImageHeader& header);

}  // namespace sdlora::data
