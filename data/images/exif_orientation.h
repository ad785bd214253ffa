// The orientation tag of EXIF metadata (CIPA DC-008, tag 0x0112).
#pragma once

#include <string_view>

namespace sdlora::data {

// `exif` is a TIFF structure, with or without the leading "Exif\0\0". Returns 1 … 8; 1, which means upright,
// where there is no such tag or the metadata is damaged: a picture is not lost for that.
int exif_orientation(std::string_view exif);

}  // namespace sdlora::data
