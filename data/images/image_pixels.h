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

struct CroppedPicture {
  std::vector<uint8_t> rgb;         // as above
  PictureFit fit;                   // by which it was resized and cropped
  std::vector<uint8_t> alpha = {};  // height × width, 255 where it is opaque; empty where it is not asked for
};

// The same, with the transparency, which is resized and cropped in the same way.
CroppedPicture crop_picture(std::string_view bytes, const PictureFit& planned, bool wants_alpha);

// The mask of a picture that was cropped by `fit`, and cropped like it: height × width, 255 where the picture
// counts. What is coloured counts by its red, what is transparent not at all. A mask may be smaller or larger
// than its picture, but is of its shape. Throws UnusableImage.
std::vector<uint8_t> crop_mask(std::string_view bytes, const PictureFit& fit);

}  // namespace sdlora::data
