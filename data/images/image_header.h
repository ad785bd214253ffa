// What an image file is, read from its first bytes without decoding it: kind, size, orientation. Files that
// must not reach a decoder (too large, cut off, of another kind) are refused here.
#pragma once

#include <cstdint>
#include <string_view>

namespace sdlora::data {

enum class ImageKind { kPng, kJpeg, kWebp, kBmp };

struct ImageHeader {
  ImageKind kind;
  int64_t width = 0;    // pixels, as stored
  int64_t height = 0;   // before the orientation is applied
  int orientation = 1;  // EXIF: 1 … 8
};

inline constexpr int64_t kMaxSidePixels = 16384;
inline constexpr int64_t kMaxPixels = int64_t{64} << 20;

// Whether the first bytes (16 are enough) are those of one of the four kinds.
bool is_supported_image(std::string_view first_bytes);

// `bytes`: the whole file. Throws UnusableImage: empty, of another kind (named where it is a known one), cut
// off, larger than the limits above.
ImageHeader read_image_header(std::string_view bytes);

// One per kind; size and orientation are filled in. Throws UnusableImage.
ImageHeader read_jpeg_header(std::string_view bytes);
ImageHeader read_webp_header(std::string_view bytes);

}  // namespace sdlora::data
