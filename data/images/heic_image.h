// HEIC, by libheif.
#pragma once

#include <string_view>

#include <opencv2/core.hpp>

namespace sdlora::data {

// The primary picture, turned and cropped as the file says, of more than 8 bits rounded to 8: RGB or RGBA,
// u8. Throws UnusableImage.
cv::Mat decode_heic(std::string_view bytes);

}  // namespace sdlora::data
