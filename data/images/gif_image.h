// GIF, by giflib.
#pragma once

#include <string_view>

#include <opencv2/core.hpp>

#include "data/images/image_header.h"

namespace sdlora::data {

// The first frame on its screen, of the header's size: BGRA, u8. What it leaves free is transparent where the
// frame has a transparent colour, else of colour 0, as Pillow shows it. Throws UnusableImage.
cv::Mat decode_gif(std::string_view bytes, const ImageHeader& header);

}  // namespace sdlora::data
