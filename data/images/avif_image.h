// AVIF, by libavif, whose chroma is as smooth as Pillow's.
#pragma once

#include <string_view>

#include "data/images/stored_picture.h"

namespace sdlora::data {

// The picture, of a sequence the first, of more than 8 bits rounded to 8: RGB or RGBA, u8, with the turn that
// the file's irot and imir ask for. Throws UnusableImage.
StoredPicture decode_avif(std::string_view bytes);

}  // namespace sdlora::data
