// JPEG XL, by libjxl.
#pragma once

#include <string_view>

#include <opencv2/core.hpp>

namespace sdlora::data {

// The picture, of an animation the first frame, turned as the file says, of more than 8 bits rounded to 8,
// alpha not multiplied in: RGBA, u8. Throws UnusableImage.
cv::Mat decode_jxl(std::string_view bytes);

}  // namespace sdlora::data
