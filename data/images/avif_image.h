// AVIF, by libavif, whose chroma is as smooth as Pillow's.
#pragma once

#include <string_view>

#include <opencv2/core.hpp>

namespace sdlora::data {

struct StoredPicture {
  cv::Mat pixels;
  int orientation = 1;  // orientation.h
};

// The picture, of a sequence the first, of more than 8 bits rounded to 8: RGB or RGBA, u8, with the turn that
// the file's irot and imir ask for. Throws UnusableImage.
StoredPicture decode_avif(std::string_view bytes);

}  // namespace sdlora::data
