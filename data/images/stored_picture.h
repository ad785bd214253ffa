// A decoded picture, as its file has it: not yet turned.
#pragma once

#include <opencv2/core.hpp>

namespace sdlora::data {

struct StoredPicture {
  cv::Mat pixels;
  int orientation = 1;  // orientation.h
  cv::Mat alpha = {};   // of pixels that lie over white already: u8, 255 where they are opaque; else empty
};

}  // namespace sdlora::data
