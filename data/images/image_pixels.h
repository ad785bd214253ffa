// Decodes an image file and makes the rectangle that the VAE sees.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/images/picture_fit.h"

namespace sdlora::data {

// `bytes`: a whole file of a kind in image_kind.h. In this order: decode (of an animation the first frame),
// turn as EXIF or XMP says, 16 bits to 8 (divide by 257), grey to three equal channels, transparency over
// white (BMP: ignored), resize so that it just covers the rectangle (OpenCV's area filter when it shrinks,
// Lanczos over 8 x 8 when it grows), crop to the centre. Colour profiles are not applied. Returns RGB, height
// × width × 3, rows from the top. Throws UnusableImage; says in it what the decoder said.
std::vector<uint8_t> decode_cropped(std::string_view bytes, const PictureSize& size);

// Resized as planned; by an unplanned fit, so as to cover its size, as above. Throws UnusableImage, too,
// where the picture is of another size than was planned for.
std::vector<uint8_t> decode_cropped(std::string_view bytes, const PictureFit& planned);

}  // namespace sdlora::data
